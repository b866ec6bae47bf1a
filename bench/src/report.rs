//! The table.

use std::{fmt::Write as _, time::Duration};

use crate::stats::{Figure, median};

/// What a row's figure should be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// The ratio is at least this.
    Ratio(f64),
    /// The ratio is at most this.
    RatioBelow(f64),
    /// 99 of 100 take no longer.
    P99(Duration),
    /// The figure, in the unit of its row, is at most this.
    AtMost(f64, &'static str),
    /// None is set.
    None,
}

/// One row.
#[derive(Debug, Clone, Default)]
pub struct Row {
    scenario: String,
    measured: String,
    p50: String,
    p99: String,
    limit: String,
    ratio: String,
    target: String,
    verdict: String,
    complaint: Option<String>,
}

/// Rounds of a scenario and, in turns with them, of what it is compared with.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    /// Of the scenario.
    pub own: Vec<Figure>,
    /// Of its limit.
    pub limit: Vec<Figure>,
}

impl Pairs {
    /// The median over the rounds of `own / limit`: what slows the machine down for a while slows both.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let pairs = self.own.iter().zip(&self.limit);
        median(pairs.map(|(own, limit)| own.rate / limit.rate.max(f64::MIN_POSITIVE)))
    }

    /// The median over the rounds of what one answer costs in `own` for what it costs in `limit`.
    #[must_use]
    pub fn cost(&self) -> f64 {
        let pairs = self.own.iter().zip(&self.limit);
        median(pairs.map(|(own, limit)| limit.rate / own.rate.max(f64::MIN_POSITIVE)))
    }

    /// A row: the rate in `unit`, and the limit's, called `limit`.
    #[must_use]
    pub fn row(&self, scenario: &str, unit: &str, limit: &str, target: Target) -> Row {
        self.row_of(scenario, unit, limit, target, self.ratio())
    }

    /// The same with the ratio of costs: the smaller, the better.
    #[must_use]
    pub fn cost_row(&self, scenario: &str, unit: &str, limit: &str, target: Target) -> Row {
        self.row_of(scenario, unit, limit, target, self.cost())
    }

    fn row_of(&self, scenario: &str, unit: &str, limit: &str, target: Target, ratio: f64) -> Row {
        let own = Figure::median(&self.own);
        let bound = Figure::median(&self.limit);
        let mut row = Row::of(scenario, &own, unit);
        row.limit = format!("{} {limit}", rate(bound.rate, unit));
        row.complaint = own.complaint().or_else(|| bound.complaint());
        row.judged(target, ratio, own.p99)
    }
}

impl Row {
    /// A row of one figure, compared with nothing.
    #[must_use]
    pub fn of(scenario: &str, figure: &Figure, unit: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            measured: rate(figure.rate, unit),
            p50: time(figure.p50),
            p99: time(figure.p99),
            complaint: figure.complaint(),
            ..Self::default()
        }
    }

    /// A row of another kind: `measured` says what was.
    #[must_use]
    pub fn told(scenario: &str, measured: String) -> Self {
        Self {
            scenario: scenario.to_owned(),
            measured,
            ..Self::default()
        }
    }

    /// With something in place of a limit's rate.
    #[must_use]
    pub fn limit(self, limit: String) -> Self {
        Self { limit, ..self }
    }

    /// With the times of half and of nearly all.
    #[must_use]
    pub fn times(self, p50: Duration, p99: Duration) -> Self {
        Self {
            p50: time(p50),
            p99: time(p99),
            ..self
        }
    }

    /// With what went wrong.
    #[must_use]
    pub fn complaint(self, complaint: Option<String>) -> Self {
        Self { complaint, ..self }
    }

    /// With the target and whether `ratio` (for [`Target::AtMost`]: the figure), or `p99`, meets it.
    #[must_use]
    pub fn judged(mut self, target: Target, ratio: f64, p99: Duration) -> Self {
        let is_figure = matches!(target, Target::AtMost(..));
        if !is_figure && ratio.is_finite() && ratio > 0.0 {
            self.ratio = format!("{ratio:.2}");
        }
        let (text, is_met) = match target {
            Target::Ratio(least) => (format!(">= {least}"), ratio >= least),
            Target::RatioBelow(most) => (format!("<= {most}"), ratio <= most),
            Target::P99(most) => (format!("p99 < {}", time(most)), p99 < most),
            Target::AtMost(most, unit) => (format!("<= {most} {unit}"), ratio <= most),
            Target::None => return self,
        };
        self.target = text;
        self.verdict = if is_met { "ok" } else { "MISSED" }.to_owned();
        self
    }

    fn cells(&self) -> [String; 8] {
        let verdict = match self.complaint {
            Some(_) => "WRONG ANSWERS".to_owned(),
            None => self.verdict.clone(),
        };
        [
            self.scenario.clone(),
            self.measured.clone(),
            self.p50.clone(),
            self.p99.clone(),
            self.limit.clone(),
            self.ratio.clone(),
            self.target.clone(),
            verdict,
        ]
    }
}

const HEAD: [&str; 8] = [
    "scenario", "measured", "p50", "p99", "limit", "ratio", "target", "",
];

/// The rows as an aligned Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let head = HEAD.map(str::to_owned);
    let cells: Vec<_> = [head]
        .into_iter()
        .chain(rows.iter().map(Row::cells))
        .collect();
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for (index, row) in cells.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            for width in widths {
                let _ = write!(text, "|{:-<1$}", "", width + 2);
            }
            text.push_str("|\n");
        }
    }
    text
}

/// What was wrong, row by row; nothing if every answer was right.
#[must_use]
pub fn complaints(rows: &[Row]) -> Vec<String> {
    let wrong = rows.iter().filter_map(|row| {
        let complaint = row.complaint.as_ref()?;
        Some(format!("{}: {complaint}", row.scenario))
    });
    wrong.collect()
}

/// Three digits or more, thousands apart: `71,204/s`.
#[must_use]
pub fn rate(rate: f64, unit: &str) -> String {
    if rate < 1_000.0 {
        let digits = if rate < 10.0 { 2 } else { 1 };
        return format!("{rate:.digits$}{unit}");
    }
    let whole = format!("{rate:.0}");
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + unit
}

/// `0.42 ms`, `8.1 ms`, `361 ms`, `2.31 s`; nothing for zero.
#[must_use]
pub fn time(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    match millis {
        0.0 => String::new(),
        m if m < 1.0 => format!("{m:.2} ms"),
        m if m < 100.0 => format!("{m:.1} ms"),
        m if m < 1_000.0 => format!("{m:.0} ms"),
        m => format!("{:.2} s", m / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(rate(5.512, "/s"), "5.51/s");
        assert_eq!(rate(512.34, "/s"), "512.3/s");
        assert_eq!(rate(1_071_204.4, "/s"), "1,071,204/s");
        assert_eq!(time(Duration::from_micros(420)), "0.42 ms");
        assert_eq!(time(Duration::from_micros(2_310_000)), "2.31 s");
        assert_eq!(time(Duration::ZERO), "");
    }

    #[test]
    fn a_row_is_judged_by_the_median_of_the_pairs() {
        let rates = |rates: [f64; 3]| rates.map(Figure::of_rate).to_vec();
        let pairs = Pairs {
            own: rates([90.0, 45.0, 88.0]),
            limit: rates([100.0, 50.0, 100.0]),
        };
        let row = pairs.row("x", "/s", "bare", Target::Ratio(0.9));
        assert_eq!((row.ratio.as_str(), row.verdict.as_str()), ("0.90", "ok"));
        assert_eq!(row.limit, "100.0/s bare");
        let row = pairs.row("x", "/s", "bare", Target::RatioBelow(0.5));
        assert_eq!(row.verdict, "MISSED");
    }

    #[test]
    fn one_wrong_answer_is_told_whatever_the_speed() {
        let mut figure = Figure::of_rate(1.0);
        figure.wrong = 1;
        figure.first_wrong = Some("status 500".to_owned());
        let row = Row::of("x", &figure, "/s").judged(Target::Ratio(0.1), 1.0, Duration::ZERO);
        assert!(table(std::slice::from_ref(&row)).contains("WRONG ANSWERS"));
        assert_eq!(complaints(&[row]).len(), 1);
    }
}
