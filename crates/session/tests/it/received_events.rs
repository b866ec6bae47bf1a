//! `POST /internal/v1/events`.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use ud_events::{BATCH_CONTENT_TYPE, Event, EventType, NewEvent, Receipt};
use ud_kernel::{RoleId, Service, Timestamp, UserId, models::SessionState};

use crate::{
    app::App,
    internal_routes::state,
    support::{
        Backend::{self, Redis, Sqlite},
        START, origin, secs, user,
    },
};

/// Sends events as `source` sends them.
async fn send(app: &App, source: Service, events: &[Value]) -> Receipt {
    let body = Value::from(events.to_vec()).to_string();
    let call = app.call(source, Method::POST, "/internal/v1/events");
    let answer = call
        .header("content-type", BATCH_CONTENT_TYPE)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

fn about(kind: EventType, user: UserId, sequence: i64, details: Value) -> Event {
    let source = kind.owner().unwrap();
    NewEvent::about(source, kind, user, sequence, START, &origin())
        .details(details)
        .finish()
        .unwrap()
}

fn about_role(kind: EventType, details: Value) -> Event {
    let role = RoleId::new(Timestamp::from_millis(1));
    NewEvent::about(Service::Role, kind, role, 1, START, &origin())
        .details(details)
        .finish()
        .unwrap()
}

fn json_of(event: &Event) -> Value {
    serde_json::to_value(event).unwrap()
}

#[rstest]
#[case(Redis)]
#[case(Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn events_do_what_the_direct_calls_did_not(#[case] backend: Backend) {
    let app = App::start(backend).await;
    let (first, second) = (user(), user());
    let (old, kept) = (app.log_in(first).await, app.log_in(first).await);
    let other = app.log_in(second).await;

    let raised = about(
        EventType::CREDENTIALS_EPOCH_RAISED,
        first,
        1,
        json!({"min_epoch": 2, "except_session_id": kept.session_id}),
    );
    let logout = about(
        EventType::LOGOUT_REQUESTED,
        second,
        1,
        json!({"session_id": other.session_id}),
    );
    let batch = [json_of(&raised), json_of(&logout)];
    for _ in 0..2 {
        // Twice: the second time nothing changes.
        let receipt = send(&app, Service::Auth, &batch).await;
        assert_eq!((receipt.accepted.len(), receipt.parked.len()), (2, 0));
        assert_eq!(state(&app, &old, first, "user").await, SessionState::Closed);
        assert_eq!(state(&app, &kept, first, "user").await, SessionState::Good);
        assert_eq!(
            state(&app, &other, second, "user").await,
            SessionState::Closed
        );
    }

    let harmless = about_role(EventType::ROLE_UPDATED, json!({}));
    let lost = about_role(
        EventType::ROLE_UPDATED,
        json!({"role": "editor", "min_pv": 2}),
    );
    let unassigned = about_role(
        EventType::ROLE_UNASSIGNED,
        json!({"user_id": first, "min_pv": 2}),
    );
    let receipt = send(&app, Service::Role, &[json_of(&harmless)]).await;
    assert_eq!(receipt.accepted.len(), 1);
    assert_eq!(
        state(&app, &kept, first, "editor,user").await,
        SessionState::Good
    );
    send(&app, Service::Role, &[json_of(&lost)]).await;
    assert_eq!(
        state(&app, &kept, first, "editor,user").await,
        SessionState::Stale
    );
    assert_eq!(state(&app, &kept, first, "user").await, SessionState::Good);
    send(&app, Service::Role, &[json_of(&unassigned)]).await;
    assert_eq!(state(&app, &kept, first, "user").await, SessionState::Stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_signing_key_ends_its_tokens() {
    let app = App::start(Sqlite).await;
    let user = user();
    let grant = app.log_in(user).await;
    let details = json!({"kid": "key-1", "until": START.plus(secs(86_400))});
    let revoked = NewEvent::alone(
        Service::Auth,
        EventType::SIGNING_KEY_REVOKED,
        START,
        &origin(),
    )
    .target_named("signing_key", "key-1")
    .details(details);
    let event = json_of(&revoked.finish().unwrap());
    let good = state(&app, &grant, user, "user").await;
    assert_eq!(good, SessionState::Good);
    for _ in 0..2 {
        let receipt = send(&app, Service::Auth, std::slice::from_ref(&event)).await;
        assert_eq!(receipt.accepted.len(), 1);
        let stale = state(&app, &grant, user, "user").await;
        assert_eq!(stale, SessionState::Stale);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_event_holds_back_its_subject_only() {
    let app = App::start(Sqlite).await;
    let (first, second) = (user(), user());
    let (kept, closed) = (app.log_in(first).await, app.log_in(second).await);
    let bad = about(
        EventType::CREDENTIALS_EPOCH_RAISED,
        first,
        1,
        json!({"min_epoch": "many"}),
    );
    let behind = about(
        EventType::CREDENTIALS_EPOCH_RAISED,
        first,
        2,
        json!({"min_epoch": 2}),
    );
    let good = about(
        EventType::CREDENTIALS_EPOCH_RAISED,
        second,
        1,
        json!({"min_epoch": 2}),
    );
    let batch = [json_of(&bad), json_of(&behind), json_of(&good)];
    let receipt = send(&app, Service::Auth, &batch).await;
    assert_eq!(
        (receipt.accepted, receipt.parked),
        (vec![good.id], vec![bad.id])
    );
    assert_eq!(state(&app, &kept, first, "user").await, SessionState::Good);
    assert_eq!(
        state(&app, &closed, second, "user").await,
        SessionState::Closed
    );

    // Another service cannot say it.
    let receipt = send(&app, Service::Profile, &[json_of(&behind)]).await;
    assert_eq!(
        (receipt.accepted, receipt.parked),
        (vec![], vec![behind.id])
    );
}
