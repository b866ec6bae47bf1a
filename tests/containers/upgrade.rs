//! Services come and go; the rest goes on.

use std::{collections::BTreeSet, time::Duration};

use end_to_end::{Platform, eventually};

use crate::stack::{compose, platform};

const PATIENCE: Duration = Duration::from_secs(60);

/// Requests of a client that need one service each, beside session and the published keys.
const OWN: [(&str, &str); 4] = [
    ("role", "/api/v1/roles"),
    ("session", "/api/v1/sessions"),
    ("audit", "/api/v1/audits?limit=1"),
    ("profile", "/api/v1/users/me"),
];

#[tokio::test]
async fn without_one_service_the_others_go_on_and_it_comes_back() {
    let platform = platform().await;
    let (client, token) = (&platform.client, platform.admin.access.clone());
    // Without session no token is believed, so that it is none of these.
    for stopped in ["role", "audit", "profile"] {
        compose(&["stop", stopped]);
        for (service, path) in OWN {
            let answer = client.get(path).bearer(&token).await;
            let wanted = if service == stopped { 503 } else { 200 };
            assert_eq!(answer.status, wanted, "{stopped} is stopped: {answer:?}");
            if wanted == 503 {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
        }
        compose(&["start", stopped]);
        for (service, path) in OWN {
            eventually(PATIENCE, &format!("{service} answers again"), || async {
                let answer = client.get(path).bearer(&token).await;
                (answer.status == 200).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_stack_that_was_taken_down_comes_back_with_all_its_data() {
    let before = platform().await;
    let (person, login) = before.client.newcomer_in().await;
    let recorded = audits(&before).await;
    assert!(!recorded.is_empty());
    compose(&["down"]);
    compose(&["up", "--detach", "--wait"]);
    let after = platform().await;
    // The session of before goes on, and the password is the same.
    let body = serde_json::json!({"refresh_token": login.refresh});
    let _ = after
        .client
        .post("/api/v1/auth/refresh")
        .json(&body)
        .await
        .must(200);
    let _ = after.client.log_in(&person).await;
    let now = audits(&after).await;
    let lost: Vec<_> = recorded.difference(&now).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Ids of all that was recorded.
async fn audits(platform: &Platform) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/audits?limit=100{cursor}");
        let call = platform.client.get(&path).bearer(&platform.admin.access);
        let page = call.await.must(200);
        let id = |item: &serde_json::Value| item["id"].as_str().unwrap().to_owned();
        ids.extend(page.items().iter().map(id));
        match page.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}
