//! Numbers out of many measurements.

use std::time::Duration;

/// What one round of a scenario, or of its limit, gave.
#[derive(Debug, Clone, Default)]
pub struct Figure {
    /// Answers a second.
    pub rate: f64,
    /// Half of all answers took no longer.
    pub p50: Duration,
    /// 99 of 100 answers took no longer.
    pub p99: Duration,
    /// Answers that were not what they should be.
    pub wrong: u64,
    /// The first of them, in words.
    pub first_wrong: Option<String>,
}

impl Figure {
    /// From the times of single answers.
    #[must_use]
    pub fn new(rate: f64, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            rate,
            p50: quantile(&times, 0.50),
            p99: quantile(&times, 0.99),
            ..Self::default()
        }
    }

    /// A rate of which nothing else is known.
    #[must_use]
    pub fn of_rate(rate: f64) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }

    /// The median of each number over several rounds; wrong answers are added up.
    #[must_use]
    pub fn median(rounds: &[Self]) -> Self {
        let times = |of: fn(&Self) -> Duration| {
            let seconds = rounds.iter().map(|f| of(f).as_secs_f64());
            Duration::from_secs_f64(median(seconds))
        };
        Self {
            rate: median(rounds.iter().map(|f| f.rate)),
            p50: times(|f| f.p50),
            p99: times(|f| f.p99),
            wrong: rounds.iter().map(|f| f.wrong).sum(),
            first_wrong: rounds.iter().find_map(|f| f.first_wrong.clone()),
        }
    }

    /// What went wrong, if something did.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let first = self.first_wrong.as_deref().unwrap_or("not told");
        (self.wrong > 0).then(|| format!("{} wrong answers, the first: {first}", self.wrong))
    }
}

/// The value that `part` of the sorted `values` do not exceed; zero if there are none.
#[must_use]
pub fn quantile(values: &[Duration], part: f64) -> Duration {
    let rank = (values.len() as f64 * part).ceil() as usize;
    let value = values.get(rank.saturating_sub(1));
    value.copied().unwrap_or_default()
}

/// The middle value; of an even number, the mean of the two in the middle.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let values: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&values, 0.50), Duration::from_millis(100));
        assert_eq!(quantile(&values, 0.99), Duration::from_millis(198));
        assert_eq!(quantile(&values[..1], 0.99), Duration::from_millis(1));
        assert_eq!(quantile(&[], 0.99), Duration::ZERO);
    }

    #[test]
    fn the_median_does_not_mind_one_bad_round() {
        assert!((median([3.0, 100.0, 1.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median([1.0, 2.0, 3.0, 100.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).abs() < f64::EPSILON);
    }
}
