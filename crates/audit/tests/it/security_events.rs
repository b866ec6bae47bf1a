//! What the service tells of itself (SECURITY rule 33).

use std::time::Duration;

use rstest::rstest;
use serde_json::Value;
use testkit::Backend;
use user_audit_service::models::record_store::Record;

use crate::{
    service::{AUDITS, Running, body},
    world::user,
};

/// How many a record stands for.
fn count(record: &Record) -> u64 {
    let whole: Value = serde_json::from_str(&record.record).unwrap();
    whole["data"]["details"]["count"].as_u64().unwrap_or(1)
}

fn total(records: &[Record]) -> u64 {
    records.iter().map(count).sum()
}

#[rstest]
#[tokio::test]
async fn each_read_of_others_deeds_is_one_record(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let (_, writer) = app.writer();
    let (admin, ann) = (user(), user());
    let token = app.token(admin, &["audits:read"]);
    let mut asked = body();
    asked["actor_id"] = serde_json::json!(ann);
    let id = app.post(&writer, &asked).await.body["id"].clone();
    let one = format!("{AUDITS}/{}", id.as_str().unwrap());

    // None of these shows what another did.
    for (path, token, status) in [
        (AUDITS.to_owned(), app.token(ann, &[]), 200),
        (one.clone(), app.token(ann, &["audits:read"]), 200),
        (format!("{AUDITS}?actor_id={admin}"), token.clone(), 200),
        (format!("{AUDITS}?limit=0"), token.clone(), 400),
        (format!("{AUDITS}/{}", user()), token.clone(), 404),
    ] {
        assert_eq!(app.get(&path, &token).await.status, status, "{path}");
    }
    for path in [AUDITS, &format!("{AUDITS}?actor_id={ann}"), &one] {
        assert_eq!(app.get(path, &token).await.status, 200, "{path}");
    }
    let reads = app.log_of("admin_read", |log| log.len() >= 3).await;
    let found: Vec<_> = reads
        .iter()
        .map(|r| (r.actor_id, r.target_type.as_str(), r.target_id.as_str()))
        .collect();
    let list = (Some(admin), "operation", "GET /api/v1/audits");
    let expected = [
        list,
        list,
        (Some(admin), "audit_record", id.as_str().unwrap()),
    ];
    assert_eq!(found, expected, "{}", app.database.backend);
    assert!(
        reads
            .iter()
            .all(|r| r.outcome == "success" && r.reported_by == "audit")
    );
    let told: Value = serde_json::from_str(&reads[0].record).unwrap();
    assert_eq!(told["data"]["ip"], "127.0.0.1");
}

#[rstest]
#[tokio::test]
async fn a_flood_of_refusals_is_counted(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let mallory = user();
    let token = app.token(mallory, &[]);
    for _ in 0..60 {
        app.post(&token, &body())
            .await
            .is(403, "auth.permission-denied");
    }
    let denied = app.log_of("permission_denied", |log| log.len() >= 20).await;
    assert_eq!(denied.len(), 20, "{}", app.database.backend);
    app.clock.advance(Duration::from_secs(60));
    let foreign = app.post(&app.writer().1, &body()).await;
    let path = foreign.header("location").unwrap().to_owned();
    app.get(&path, &token)
        .await
        .is(404, "audit.record-not-found");
    let denied = app
        .log_of("permission_denied", |log| total(log) >= 61)
        .await;
    assert_eq!((denied.len(), total(&denied)), (22, 61));
    assert!(
        denied
            .iter()
            .all(|r| r.actor_id == Some(mallory) && r.outcome == "failure")
    );
    let counted: Vec<_> = denied.iter().map(count).filter(|n| *n > 1).collect();
    assert_eq!(counted, [40], "{}", app.database.backend);
}

#[rstest]
#[tokio::test]
async fn a_graceful_stop_writes_what_is_left(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let mut app = Running::on(backend).await;
    let token = app.token(user(), &[]);
    for _ in 0..5 {
        app.post(&token, &body())
            .await
            .is(403, "auth.permission-denied");
    }
    app.stop();
    let log = app.log().await;
    assert_eq!((log.len(), total(&log)), (5, 5), "{}", app.database.backend);
}
