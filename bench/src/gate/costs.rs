//! Compares the figures of this run with those that are committed.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::callgrind::Count;

/// A figure may be above the committed one by this many hundredths of it.
pub const TOLERANCE: u64 = 3;
/// Functions below this share of a figure are not committed.
const SHARE: f64 = 0.002;
/// Functions that a complaint names.
const NAMED: usize = 10;

/// The cost of one operation or one start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions, or bytes.
    pub value: u64,
    /// Instructions of the functions that have most of them, themselves; none of bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub functions: BTreeMap<String, u64>,
}

/// All costs, by their names.
pub type Costs = BTreeMap<String, Cost>;

impl Cost {
    /// Instructions of one operation, where `operations` of them took `count`, of which `idle` would have been there
    /// without them.
    #[must_use]
    pub fn of_operations(count: &Count, operations: usize, idle: u64) -> Self {
        let each = operations.max(1) as u64;
        let value = count.total.saturating_sub(idle) / each;
        let least = (value as f64 * SHARE) as u64;
        let functions = count.functions.iter();
        let functions = functions.map(|(name, instructions)| (name.clone(), instructions / each));
        Self {
            value,
            functions: functions.filter(|(_, n)| *n > least).collect(),
        }
    }

    /// A number of bytes.
    #[must_use]
    pub const fn of_bytes(value: u64) -> Self {
        Self {
            value,
            functions: BTreeMap::new(),
        }
    }

    fn grown_since(&self, committed: &Self) -> f64 {
        self.value as f64 / (committed.value as f64).max(1.0) - 1.0
    }
}

/// Prints both in a table, a line for each figure.
#[must_use]
pub fn table(measured: &Costs, committed: &Costs) -> String {
    let mut text =
        String::from("| figure | committed | measured | difference |\n|---|---|---|---|\n");
    for (name, figure) in measured {
        let (before, difference) = match committed.get(name) {
            Some(before) => (
                before.value.to_string(),
                format!("{:+.2} %", figure.grown_since(before) * 100.0),
            ),
            None => ("none".to_owned(), String::new()),
        };
        let _ = writeln!(
            text,
            "| {name} | {before} | {} | {difference} |",
            figure.value
        );
    }
    text
}

/// Returns the reasons why the gate is shut; none if it is open.
#[must_use]
pub fn complaints(measured: &Costs, committed: &Costs) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, before) in committed {
        let Some(figure) = measured.get(name) else {
            complaints.push(format!("{name} is committed and was not measured"));
            continue;
        };
        if figure.value * 100 > before.value * (100 + TOLERANCE) {
            let grown = figure.grown_since(before);
            complaints.push(format!(
                "{name} has grown by {:.1} %, from {} to {}{}",
                grown * 100.0,
                before.value,
                figure.value,
                named(figure, before)
            ));
        }
    }
    let new = measured
        .keys()
        .filter(|name| !committed.contains_key(*name));
    complaints.extend(new.map(|name| format!("{name} was measured and is not committed")));
    complaints
}

/// The functions that grew most.
fn named(figure: &Cost, before: &Cost) -> String {
    let of = |figures: &Cost, name: &str| figures.functions.get(name).copied().unwrap_or(0);
    let growth = figure.functions.keys().map(|name| {
        let (was, is) = (of(before, name), of(figure, name));
        (is.saturating_sub(was), was, is, name)
    });
    let mut growth: Vec<_> = growth.filter(|(grown, ..)| *grown > 0).collect();
    growth.sort_by_key(|(grown, ..)| std::cmp::Reverse(*grown));
    let lines = growth.iter().take(NAMED);
    lines
        .map(|(grown, was, is, name)| format!("\n    +{grown} ({was} -> {is}) {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: u64, functions: &[(&str, u64)]) -> Cost {
        let functions = functions.iter().map(|(name, n)| ((*name).to_owned(), *n));
        Cost {
            value,
            functions: functions.collect(),
        }
    }

    fn figures(all: &[(&str, Cost)]) -> Costs {
        all.iter()
            .map(|(name, f)| ((*name).to_owned(), f.clone()))
            .collect()
    }

    #[test]
    fn three_percent_pass_and_more_does_not() {
        let committed = figures(&[("validate", figure(1_000, &[("parse", 400), ("log", 100)]))]);
        let same =
            |value| figures(&[("validate", figure(value, &[("parse", 400 + value - 1_000)]))]);
        assert_eq!(complaints(&same(1_030), &committed), Vec::<String>::new());
        let said = complaints(&same(1_031), &committed);
        let expected = "validate has grown by 3.1 %, from 1000 to 1031\n    +31 (400 -> 431) parse";
        assert_eq!(said, [expected]);
    }

    #[test]
    fn what_is_smaller_passes() {
        let committed = figures(&[("validate", figure(1_000, &[]))]);
        let measured = figures(&[("validate", figure(500, &[]))]);
        assert_eq!(complaints(&measured, &committed), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_on_one_side_does_not_pass() {
        let (one, other) = (
            figures(&[("a", figure(1, &[]))]),
            figures(&[("b", figure(1, &[]))]),
        );
        let said = complaints(&one, &other);
        assert_eq!(
            said,
            [
                "b is committed and was not measured",
                "a was measured and is not committed"
            ]
        );
    }

    #[test]
    fn what_happens_anyway_is_not_the_operations() {
        let functions = [("work".to_owned(), 2_000), ("rare".to_owned(), 2)];
        let count = Count {
            total: 2_500,
            functions: functions.into_iter().collect(),
        };
        let figure = Cost::of_operations(&count, 10, 500);
        assert_eq!(figure, self::figure(200, &[("work", 200)]));
    }
}
