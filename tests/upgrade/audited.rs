//! What the audit log has to hold in the end: everything once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use end_to_end::{Login, Platform, eventually};
use serde_json::Value;

use crate::crew::Owed;

/// Every record has arrived by then, also what waited for a receiver that was away: it is tried again within 5 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Panics unless the log holds each acknowledged action once, its numbers have no gap, and no event has two records. Gives how
/// many records there are.
pub async fn assert_all_once(platform: &Platform, admin: &Login, owed: &[Owed]) -> usize {
    let counted = |records: &[Value]| {
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for record in records {
            let member = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            // Who registers has no token: the new user is the target.
            let user = match member("action").as_str() {
                "user_created" => member("target_id"),
                _ => member("actor_id"),
            };
            *counts.entry((member("action"), user)).or_default() += 1;
        }
        counts
    };
    let is_complete = |records: &[Value]| {
        let counts = counted(records);
        owed.iter().all(|owed| {
            owed.actions.iter().all(|(action, expected)| {
                let key = ((*action).to_owned(), owed.user.clone());
                counts.get(&key).copied().unwrap_or_default() >= *expected
            })
        })
    };
    let records = eventually(PATIENCE, "every audit record is there", || async {
        let records = everything(platform, admin).await;
        is_complete(&records).then_some(records)
    })
    .await;
    let counts = counted(&records);
    for owed in owed {
        for (action, expected) in &owed.actions {
            let key = ((*action).to_owned(), owed.user.clone());
            assert_eq!(counts[&key], *expected, "{key:?}");
        }
    }
    let ids: BTreeSet<_> = records
        .iter()
        .map(|record| record["id"].to_string())
        .collect();
    assert_eq!(ids.len(), records.len(), "a record is there twice");
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
