//! When the last refresh tokens of a session were rotated, by the clock of the store where it was done (SECURITY rule
//! 17).

use std::{fmt, str::FromStr};

use ud_kernel::Timestamp;

/// How many are kept.
pub const KEPT: usize = 8;

/// Digits of a time in the text form: enough until the year 2286.
const DIGITS: usize = 13;

/// Times of the last rotations. Text form: the counter that the newest of them led to, `:`, and each time as 13 digits
/// and `,`, the newest first; the Redis script counts on the width.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotations {
    led_to: i64,
    times: Vec<Timestamp>,
}

impl Rotations {
    /// These, and one more, to `counter`, at that time. What does not lead up to it is forgotten: replicas of the version
    /// before keep no times.
    #[must_use]
    pub fn and(&self, counter: i64, at: Timestamp) -> Self {
        let known = if self.led_to == counter - 1 {
            &self.times[..]
        } else {
            &[]
        };
        Self {
            led_to: counter,
            times: std::iter::once(&at)
                .chain(known)
                .take(KEPT)
                .copied()
                .collect(),
        }
    }

    /// When the token that is so many before the newest, whose counter is `counter`, was rotated. None if that is not
    /// known any more.
    #[must_use]
    pub fn of(&self, counter: i64, behind: i64) -> Option<Timestamp> {
        let place = usize::try_from(behind).ok()?.checked_sub(1)?;
        let known = self.times.get(place).copied();
        known.filter(|_| self.led_to == counter)
    }
}

impl fmt::Display for Rotations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.led_to)?;
        self.times
            .iter()
            .try_for_each(|at| write!(f, "{:0DIGITS$},", at.as_millis()))
    }
}

/// The text is not one of [`Rotations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not times of rotations")]
pub struct NotRotations;

impl FromStr for Rotations {
    type Err = NotRotations;

    /// The empty text, as of a session that the version before made, is none.
    fn from_str(text: &str) -> Result<Self, NotRotations> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (led_to, times) = text.split_once(':').ok_or(NotRotations)?;
        let time = |text: &str| {
            let is_one = text.len() == DIGITS;
            let millis = text.parse().ok().filter(|_| is_one);
            millis.map(Timestamp::from_millis).ok_or(NotRotations)
        };
        Ok(Self {
            led_to: led_to.parse().map_err(|_| NotRotations)?,
            times: times
                .split_terminator(',')
                .map(time)
                .collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_750_000_000_000 + millis)
    }

    #[test]
    fn the_last_eight_are_known_by_how_far_a_token_is_behind() {
        let mut rotations = Rotations::default();
        for counter in 2..=12 {
            rotations = rotations.and(counter, at(counter));
        }
        for behind in 1..=8 {
            assert_eq!(rotations.of(12, behind), Some(at(13 - behind)));
        }
        for behind in [-1, 0, 9, i64::MAX] {
            assert_eq!(rotations.of(12, behind), None);
        }
        let text = rotations.to_string();
        assert!(text.starts_with("12:1750000000012,1750000000011,"));
        assert_eq!(text.parse(), Ok(rotations));
    }

    #[test]
    fn rotations_by_the_version_before_are_not_taken_for_known_ones() {
        let rotations = Rotations::default().and(2, at(1)).and(3, at(2));
        // It rotated to 4 and to 5.
        assert_eq!(rotations.of(5, 1), None);
        let next = rotations.and(6, at(3));
        assert_eq!((next.of(6, 1), next.of(6, 2)), (Some(at(3)), None));
    }

    #[test]
    fn what_is_none_is_refused() {
        assert_eq!("".parse(), Ok(Rotations::default()));
        for text in ["x", "1", "x:1750000000000,", "1:1,", "1:175000000000x,"] {
            assert_eq!(text.parse::<Rotations>(), Err(NotRotations), "{text}");
        }
    }
}
