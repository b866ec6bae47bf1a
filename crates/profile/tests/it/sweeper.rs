//! Registrations nobody came back for.

use std::time::Duration;

use reqwest::StatusCode;
use ud_http::StopSignal;
use ud_kernel::{Service, models::Origin};
use user_profile_service::models::{GIVEN_UP_AFTER, Notices, ProfileError, Swept, user::UserStatus};

use crate::world::on_each_database;

#[tokio::test]
async fn auth_decides_what_becomes_of_a_pending_user() {
    on_each_database(|world| async move {
        let sweeper = world.sweeper();
        world.auth.state().is_down = true;
        world.registration("never@example.org").send().await.unwrap();
        let never = world.stored_ids().await[0];
        {
            let mut auth = world.auth.state();
            (auth.is_down, auth.loses_answers) = (false, true);
        }
        world.registration("stored@example.org").send().await.unwrap();
        let stored = world.stored_ids().await.into_iter().find(|id| *id != never).unwrap();
        world.auth.state().loses_answers = false;

        assert_eq!(sweeper.sweep().await.unwrap(), Swept::default(), "too early");
        world.clock.advance(GIVEN_UP_AFTER + Duration::from_millis(1));
        world.auth.state().is_down = true;
        assert!(matches!(sweeper.sweep().await, Err(ProfileError::Peer(_))));
        world.auth.state().is_down = false;
        assert_eq!(sweeper.sweep().await.unwrap(), Swept { completed: 1, removed: 1 });
        assert_eq!(world.stored_ids().await, [stored]);
        assert_eq!(world.stored(stored).await.unwrap().status, UserStatus::Active);
        assert_eq!(world.events_about(stored).await.len(), 1);
        assert_eq!(sweeper.sweep().await.unwrap(), Swept::default());
        let again = world.registration("never@example.org").send().await.unwrap();
        assert_eq!(again.status(), StatusCode::CREATED);
    })
    .await;
}

#[tokio::test]
async fn notices_become_events_and_only_known_ones() {
    on_each_database(|world| async move {
        use diesel::prelude::*;
        let outbox = ud_events::OutboxHandle::new();
        let (log, queue) = ud_http::SecurityLog::new(world.clock.clone(), 100);
        let notices = Notices::new(world.db.clone(), outbox, world.clock.clone(), log.clone());
        let notice = |event, count| ud_http::SecurityNotice {
            event,
            origin: Origin { request_id: "r".into(), ip: Some("192.0.2.1".into()), ..Origin::default() },
            target_type: "operation",
            target_id: "GET /api/v1/users".into(),
            count,
        };
        log.note(notice("admin_read", 1));
        log.note(notice("permission_denied", 7));
        log.note(notice("no_such_event", 1));
        let (stop, signal) = StopSignal::pair();
        stop.send_replace(true);
        notices.run(queue, signal).await;
        let bodies: Vec<String> = world
            .db
            .read(|conn| {
                use ud_events::schema::outbox;
                outbox::table.select(outbox::body).load(conn).map_err(ud_db::StoreError::from)
            })
            .await
            .unwrap();
        let mut seen: Vec<(String, String, serde_json::Value)> = bodies
            .iter()
            .map(|body| ud_events::Event::from_json(body.as_bytes()).unwrap())
            .map(|e| {
                assert_eq!(e.source, Service::Profile);
                let details = serde_json::Value::Object(e.data.details.clone());
                (e.kind.to_string(), e.data.outcome.as_str().to_owned(), details)
            })
            .collect();
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            seen,
            [
                ("admin_read".to_owned(), "success".to_owned(), serde_json::json!({})),
                ("permission_denied".to_owned(), "failure".to_owned(), serde_json::json!({"count": 7})),
            ]
        );
    })
    .await;
}
