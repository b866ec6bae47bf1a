//! No event is lost and none counts twice, whoever is down or killed (docs/EVENTS.md).

use std::{collections::BTreeMap, time::Duration};

use end_to_end::{Kind, Person, Platform, any_below, eventually, rounds};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::Service;

use crate::audit_log::AuditLog as _;

/// Everything has been delivered by then; a destination that was away is asked again after a while.
const PATIENCE: Duration = Duration::from_secs(45);

/// What has happened: action and target, each once.
type Happened = Vec<(&'static str, String)>;

/// One user with all that can happen to them; what has happened is noted after each answer.
async fn live(platform: &Platform, happened: &mut Happened) {
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let person = client.register(Person::new()).await;
    happened.push(("user_created", person.id.clone()));
    happened.push(("credentials_created", person.id.clone()));
    let login = client.log_in(&person).await;
    happened.push(("user_logged_in", login.session.clone()));
    let path = format!("/api/v1/users/{}", person.id);
    let body = json!({"given_name": "Ada"});
    let _ = client
        .patch(&path)
        .bearer(&login.access)
        .json(&body)
        .await
        .must(200);
    happened.push(("user_updated", person.id.clone()));
    let body =
        json!({"name": format!("r{}", end_to_end::unique()), "permissions": ["orders:read"]});
    let role = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201)
        .text("id");
    happened.push(("role_created", role.clone()));
    let body = json!({"user_id": person.id, "role_id": role});
    let _ = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body)
        .await
        .must(201);
    happened.push(("role_assigned", person.id.clone()));
    let _ = client
        .post("/api/v1/auth/logout")
        .bearer(&login.access)
        .await
        .must(204);
    happened.push(("session_closed", login.session));
}

/// How often each of `actions` was recorded about each target.
async fn counted(
    platform: &Platform,
    actions: &[&'static str],
) -> BTreeMap<(&'static str, String), usize> {
    let mut counts = BTreeMap::new();
    for action in actions {
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/audits?action={action}&limit=100{cursor}");
            let page = platform
                .client
                .get(&path)
                .bearer(&platform.admin.access)
                .await
                .must(200);
            for item in page.items() {
                let target = item["target_id"].as_str().unwrap().to_owned();
                *counts.entry((*action, target)).or_default() += 1;
            }
            match page.json().get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
    }
    counts
}

const ACTIONS: [&str; 7] = [
    "user_created",
    "credentials_created",
    "user_logged_in",
    "user_updated",
    "role_created",
    "role_assigned",
    "session_closed",
];

/// Waits until all is recorded, then until everything behind it is, and counts.
async fn assert_each_once(platform: &Platform, happened: &Happened) {
    let is_complete = async || {
        let counts = counted(platform, &ACTIONS).await;
        let missing = happened
            .iter()
            .filter(|event| !counts.contains_key(*event))
            .count();
        (missing == 0).then_some(())
    };
    let what = format!("all of {} events are in the audit log", happened.len());
    eventually(PATIENCE, &what, is_complete).await;
    // What comes later stands behind it in every queue: when it is there, no second copy is on its way.
    let mut later = Vec::new();
    live(platform, &mut later).await;
    for (action, target) in &later {
        platform.audited(action, target).await;
    }
    let counts = counted(platform, &ACTIONS).await;
    for event in happened.iter().chain(&later) {
        assert_eq!(counts.get(event), Some(&1), "{event:?}");
    }
}

#[tokio::test]
async fn audit_is_away_and_the_senders_are_killed() {
    let mut platform = Platform::services().await;
    let mut happened = Happened::new();
    live(&platform, &mut happened).await;
    platform.kill(Service::Audit);
    for _ in 0..rounds(5, 50) {
        live(&platform, &mut happened).await;
    }
    for sender in [
        Service::Profile,
        Service::Auth,
        Service::Role,
        Service::Session,
    ] {
        platform.kill(sender);
        platform.restart(sender).await;
        live(&platform, &mut happened).await;
    }
    platform.restart(Service::Audit).await;
    assert_each_once(&platform, &happened).await;
}

#[tokio::test]
async fn audit_and_senders_are_killed_while_events_flow() {
    let mut platform = Platform::services().await;
    let mut happened = Happened::new();
    for round in 0..rounds(8, 80) {
        live(&platform, &mut happened).await;
        // In the middle of a batch, on either side of it.
        tokio::time::sleep(Duration::from_micros(any_below(10_000))).await;
        let senders = [
            Service::Profile,
            Service::Auth,
            Service::Role,
            Service::Session,
        ];
        let victim = if round % 2 == 0 {
            Service::Audit
        } else {
            senders[round / 2 % 4]
        };
        platform.kill(victim);
        platform.restart(victim).await;
    }
    assert_each_once(&platform, &happened).await;
}

#[tokio::test]
async fn redis_is_killed_and_keeps_its_word() {
    // With `REDIS_DURABILITY=fsync` what was answered has been written.
    let mut platform = Platform::services().await;
    let mut happened = Happened::new();
    let person = platform.client.newcomer().await;
    for _ in 0..rounds(3, 20) {
        live(&platform, &mut happened).await;
        let (open, closed) = (
            platform.client.log_in(&person).await,
            platform.client.log_in(&person).await,
        );
        let _ = platform
            .client
            .post("/api/v1/auth/logout")
            .bearer(&closed.access)
            .await
            .must(204);
        platform.redis_mut().restart();
        let session = &platform.directory.of(Service::Session).ready;
        platform
            .process(Service::Session)
            .process()
            .wait_until_ready(session)
            .await;
        eventually(PATIENCE, "the session is known again", || async {
            let answer = platform
                .client
                .get("/api/v1/users/me")
                .bearer(&open.access)
                .await;
            assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            (answer.status == 200).then_some(())
        })
        .await;
        // It may have been killed before anybody was told: then the word is kept within the bound of a cut feed.
        let bound = Duration::from_millis(3300);
        eventually(bound, "the closed session is refused", || async {
            let me = platform.client.get("/api/v1/users/me");
            let answer = me.bearer(&closed.access).await;
            (answer.status == 401).then_some(())
        })
        .await;
    }
    assert_each_once(&platform, &happened).await;
}

#[rstest]
#[tokio::test]
async fn standalone_is_killed_while_events_flow() {
    let mut platform = Platform::standalone().await;
    let mut happened = Happened::new();
    for _ in 0..rounds(8, 80) {
        live(&platform, &mut happened).await;
        tokio::time::sleep(Duration::from_micros(any_below(10_000))).await;
        platform.kill(Service::Audit);
        platform.restart(Service::Audit).await;
    }
    assert_each_once(&platform, &happened).await;
    assert_eq!(platform.kind, Kind::Standalone);
}
