use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;
use ud_events::{EventType, NewEvent};
use ud_kernel::{Service, UserId, models::Provenance};

use crate::world::{PASSWORD, START, World, read};

fn event(reporter: Service, kind: EventType, user: UserId, sequence: i64) -> Value {
    let event = NewEvent::about(
        reporter,
        kind,
        user,
        sequence,
        START,
        &Provenance::default(),
    );
    serde_json::to_value(event.finish().unwrap()).unwrap()
}

async fn send(world: &World, caller: Service, events: &[Value]) -> (u16, Value) {
    let request = world
        .call(caller, Method::POST, "/internal/v1/events")
        .header("content-type", ud_events::BATCH_CONTENT_TYPE)
        .body(serde_json::to_string(events).unwrap());
    read(request).await
}

#[rstest]
#[actix_web::test]
async fn profiles_events_do_what_its_calls_do_each_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.register("ada@example.com").await;
    world.login("ada@example.com", PASSWORD).await;
    let suspended = event(Service::Profile, EventType::USER_SUSPENDED, user, 3);
    for _ in 0..2 {
        let (status, receipt) =
            send(&world, Service::Profile, std::slice::from_ref(&suspended)).await;
        assert_eq!(status, 200, "{receipt}");
        assert_eq!(receipt["accepted"], json!([suspended["id"]]), "{backend}");
    }
    assert_eq!(world.try_login("ada@example.com", PASSWORD).await.0, 403);
    assert_eq!(
        world.events_about(user).await,
        ["credentials_created", "credentials_epoch_raised"],
        "{backend}"
    );
    // The relay closes the sessions.
    let told = world
        .until(async || world.peers.with(|s| s.events.first().cloned()))
        .await;
    assert_eq!(told.kind, EventType::CREDENTIALS_EPOCH_RAISED);

    let reactivated = event(Service::Profile, EventType::USER_REACTIVATED, user, 4);
    send(&world, Service::Profile, &[reactivated]).await;
    world.login("ada@example.com", PASSWORD).await;
    // An older event that comes late changes nothing.
    let late = event(Service::Profile, EventType::USER_SUSPENDED, user, 2);
    assert_eq!(send(&world, Service::Profile, &[late]).await.0, 200);
    world.login("ada@example.com", PASSWORD).await;
    let deleted = event(Service::Profile, EventType::USER_DELETED, user, 5);
    send(&world, Service::Profile, &[deleted]).await;
    assert_eq!(
        world.try_login("ada@example.com", PASSWORD).await.0,
        401,
        "{backend}"
    );
}

#[rstest]
#[actix_web::test]
async fn call_and_event_of_one_change_raise_the_epoch_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::start(backend).await;
    let user = world.register("ada@example.com").await;
    let path = format!("/internal/v1/credentials/{user}/status");
    let body = json!({"status": "suspended", "sequence": 2, "origin": {"request_id": "r"}});
    let call = world.call(Service::Profile, Method::PUT, &path).json(&body);
    assert_eq!(read(call).await.1["epoch"], 2);
    let same = event(Service::Profile, EventType::USER_SUSPENDED, user, 2);
    assert_eq!(send(&world, Service::Profile, &[same]).await.0, 200);
    let path = format!("/internal/v1/credentials/{user}");
    let (_, credential) = read(world.call(Service::Profile, Method::GET, &path)).await;
    assert_eq!(
        (&credential["epoch"], &credential["status"]),
        (&json!(2), &json!("suspended"))
    );
}

#[actix_web::test]
async fn events_of_others_and_about_strangers_have_no_effect() {
    let world = World::start(Backend::Sqlite).await;
    let user = world.register("ada@example.com").await;
    let deleted = event(Service::Profile, EventType::USER_DELETED, user, 9);
    // Role says what is profile's to say.
    let (_, receipt) = send(&world, Service::Role, &[deleted]).await;
    assert_ne!(
        receipt["accepted"].as_array().map(Vec::len),
        Some(1),
        "{receipt}"
    );
    world.login("ada@example.com", PASSWORD).await;
    let stranger = event(
        Service::Profile,
        EventType::USER_DELETED,
        world.new_user(),
        2,
    );
    let (status, receipt) = send(&world, Service::Profile, std::slice::from_ref(&stranger)).await;
    assert_eq!(
        (status, &receipt["accepted"]),
        (200, &json!([stranger["id"]]))
    );
}
