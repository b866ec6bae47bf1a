//! Asserts what the audit log has to hold in the end: everything once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use end_to_end::{Login, Platform, eventually};
use serde_json::Value;

/// Every record has arrived by then, also what waited for a receiver that was away: it is tried again within 5 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Actions that others take, or that nobody is named for: the record's target says whom they are about. All others are about
/// their actor.
const ABOUT_THE_TARGET: [&str; 6] = [
    "role_assigned",
    "role_unassigned",
    "user_created",
    "user_reactivated",
    "user_suspended",
    NOTED,
];

/// An action of our own, which is written to audit itself.
pub const NOTED: &str = "order_placed";

/// Counts what was acknowledged: how often each action about each user.
#[derive(Debug, Default)]
pub struct Owed(BTreeMap<(String, String), usize>);

impl Owed {
    pub fn owe(&mut self, action: &str, user: &str) {
        self.owe_times(1, action, user);
    }

    pub fn owe_times(&mut self, times: usize, action: &str, user: &str) {
        *self
            .0
            .entry((action.to_owned(), user.to_owned()))
            .or_default() += times;
    }

    pub fn add(&mut self, other: Self) {
        for ((action, user), times) in other.0 {
            self.owe_times(times, &action, &user);
        }
    }
}

/// Panics unless the log holds each acknowledged action as often as it is owed, its numbers have no gap, and its pages do not
/// overlap. Returns how many records there are.
pub async fn assert_all_once(platform: &Platform, admin: &Login, owed: &Owed) -> usize {
    let counted = |records: &[Value]| {
        let mut counts = Owed::default();
        for record in records {
            let member = |name: &str| record[name].as_str().unwrap_or_default();
            let action = member("action");
            let is_about_the_target = ABOUT_THE_TARGET.contains(&action);
            let about = if is_about_the_target {
                "target_id"
            } else {
                "actor_id"
            };
            counts.owe(action, member(about));
        }
        counts.0
    };
    let records = eventually(PATIENCE, "every audit record is there", || async {
        let records = everything(platform, admin).await;
        let counts = counted(&records);
        let there = |key| counts.get(key).copied().unwrap_or_default();
        let is_complete = owed.0.iter().all(|(key, times)| there(key) >= *times);
        is_complete.then_some(records)
    })
    .await;
    let counts = counted(&records);
    for (key, times) in &owed.0 {
        assert_eq!(counts[key], *times, "{key:?}");
    }
    let ids: BTreeSet<_> = records
        .iter()
        .map(|record| record["id"].to_string())
        .collect();
    assert_eq!(ids.len(), records.len(), "pages overlap");
    let mut numbers: Vec<_> = records.iter().filter_map(|r| r["seq"].as_u64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>());
    records.len()
}

/// The whole log.
async fn everything(platform: &Platform, admin: &Login) -> Vec<Value> {
    let mut records = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/audits?limit=200{cursor}");
        let page = platform.client.get(&path).bearer(&admin.access).await;
        let page = page.must(200);
        records.extend(page.items());
        match page.json().get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return records,
        }
    }
}
