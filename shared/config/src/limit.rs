//! How often something may be done.

use std::{fmt, str::FromStr, time::Duration};

/// At most `count` times in `per`. Text form: `count/seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// At least 1.
    pub count: u32,
    /// Whole seconds, from 1 to a day.
    pub per: Duration,
}

impl Limit {
    pub(crate) const ONE_A_SECOND: Self = Self {
        count: 1,
        per: Duration::from_secs(1),
    };
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.as_secs())
    }
}

/// The text is not a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not `count/seconds`")]
pub struct LimitError;

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (count, seconds) = text.split_once('/').ok_or(LimitError)?;
        let count = count.trim().parse().map_err(|_| LimitError)?;
        let seconds = seconds.trim().parse().map_err(|_| LimitError)?;
        if count == 0 || !(1..=86_400).contains(&seconds) {
            return Err(LimitError);
        }
        Ok(Self {
            count,
            per: Duration::from_secs(seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_and_seconds() {
        let limit: Limit = "10/900".parse().unwrap();
        assert_eq!((limit.count, limit.per.as_secs()), (10, 900));
        assert_eq!(limit.to_string(), "10/900");
        for text in [
            "", "10", "0/1", "1/0", "1/86401", "-1/5", "1/2/3", "x/1", "1.5/1",
        ] {
            assert_eq!(text.parse::<Limit>(), Err(LimitError), "{text}");
        }
    }
}
