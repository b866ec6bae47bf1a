//! Each change writes its event in its own transaction; `user_deleted` takes every role of the user.

use role_service::models::{
    ADMIN_ROLE, NewAssignment, RoleError, USER_ROLE, assignment_flow, role_flow,
};
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_events::{Event, EventType, NewEvent};
use ud_kernel::{
    Service, UserId,
    models::{NotBefore, Provenance},
};

use crate::support::{Fixture, new_role};

fn deleted(user: UserId, f: &Fixture) -> Event {
    let origin = Provenance {
        request_id: "deletion".into(),
        actor_id: Some(f.admin),
        ..Provenance::default()
    };
    NewEvent::about(
        Service::Profile,
        EventType::USER_DELETED,
        user,
        7,
        f.clock.now(),
        &origin,
    )
    .finish()
    .unwrap()
}

async fn apply(f: &Fixture, event: Event) {
    let clock = f.clock.clone();
    f.db.tx(move |conn| assignment_flow::remove_user(conn, &event, &clock))
        .await
        .unwrap();
}

#[rstest]
#[tokio::test]
async fn every_change_writes_its_event(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let tick = || f.clock.advance(std::time::Duration::from_millis(1));
    tick();
    let role = f.role("clerk", &["a:a", "b:b"]).await;
    tick();
    f.update_as(f.admin, role.id, &["a:a", "b:b", "c:c"])
        .await
        .unwrap();
    tick();
    let (_, shrunk) = f.update_as(f.admin, role.id, &["a:a"]).await.unwrap();
    // Nothing changes: no event.
    assert_eq!(
        f.update_as(f.admin, role.id, &["a:a"]).await.unwrap().1,
        None
    );
    tick();
    let user = f.user();
    let assignment = f.assign(user, role.id).await;
    tick();
    let taken = f.unassign_as(f.admin, assignment.id).await.unwrap();
    tick();
    f.assign(user, role.id).await;
    tick();
    let gone = f.delete_as(f.admin, role.id).await.unwrap();

    let events = f.events().await;
    let told: Vec<_> = events
        .iter()
        .map(|e| (e.kind.as_str(), e.sequence, e.details::<NotBefore>().ok()))
        .collect();
    assert_eq!(
        told,
        [
            ("role_assigned", 1, None),
            ("role_created", 1, None),
            ("role_updated", 2, None),
            ("role_updated", 3, shrunk),
            ("role_assigned", 1, None),
            ("role_unassigned", 2, Some(taken)),
            ("role_assigned", 1, None),
            ("role_deleted", 4, Some(gone)),
        ],
        "{backend}"
    );
    for event in &events[1..] {
        assert_eq!(event.data.actor_id, Some(f.admin));
        assert_eq!(event.data.request_id, "test");
        assert_eq!(event.data.reported_by, Service::Role);
    }
    assert_eq!(
        events[0].data.actor_id, None,
        "the platform made the first administrator"
    );
    assert_eq!(events[0].data.target_id, f.admin.to_string());
    let updated = serde_json::to_value(&events[3].data).unwrap();
    assert_eq!(
        updated["before"]["permissions"],
        json!(["a:a", "b:b", "c:c"])
    );
    assert_eq!(updated["after"]["permissions"], json!(["a:a"]));
    assert_eq!(updated["target_type"], "role");
    let assigned = serde_json::to_value(&events[4].data).unwrap();
    assert_eq!(assigned["target_type"], "user");
    assert_eq!(assigned["target_id"], json!(user));
    assert_eq!(assigned["after"]["role"], "clerk");
    let deleted = serde_json::to_value(&events[7].data).unwrap();
    assert_eq!(deleted["before"]["assignments"], 1);
}

#[tokio::test]
async fn the_largest_role_fits_its_event() {
    let f = Fixture::new(Backend::Sqlite).await;
    let wide = |c: &str| {
        (0..100)
            .map(|i| format!("{}:{}{i:02}", c.repeat(32), c.repeat(30)))
            .collect::<Vec<_>>()
    };
    let texts = |set: &[String]| {
        set.iter()
            .map(|s| s.clone().leak() as &str)
            .collect::<Vec<_>>()
    };
    let role = f.role(&"r".repeat(63), &texts(&wide("a"))).await;
    f.update_as(f.admin, role.id, &texts(&wide("b")))
        .await
        .unwrap();
    let events = f.events().await;
    let updated = events
        .iter()
        .find(|e| e.kind == EventType::ROLE_UPDATED)
        .unwrap();
    assert_eq!(
        updated.data.after.as_ref().unwrap()["permissions"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    assert!(updated.details::<NotBefore>().is_ok());
}

#[rstest]
#[tokio::test]
async fn a_change_that_fails_writes_none(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let before = f.events().await.len();
    let change = f.change(f.admin);
    let failed: Result<(), RoleError> = f
        .tx(move |conn| {
            role_flow::create(conn, &change, &new_role("clerk", &[]))?;
            Err(RoleError::BuiltIn)
        })
        .await;
    assert_eq!(failed, Err(RoleError::BuiltIn));
    assert_eq!(f.events().await.len(), before, "{backend}");
    f.role("clerk", &[]).await;
}

#[rstest]
#[tokio::test]
async fn a_deleted_user_has_no_role_and_gets_none_again(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let (a, b) = (
        f.role("a-role", &["x:y"]).await,
        f.role("b-role", &[]).await,
    );
    let (user, bystander) = (f.user(), f.user());
    f.assign(user, a.id).await;
    f.assign(user, b.id).await;
    f.assign(bystander, a.id).await;
    f.clock.advance(std::time::Duration::from_millis(1));

    apply(&f, deleted(user, &f)).await;
    let access = f.access(user).await;
    assert_eq!(
        (access.roles, access.permissions),
        (vec!["user".to_owned()], vec![])
    );
    assert_eq!(f.permissions(bystander).await, ["x:y"]);
    assert_eq!(
        f.assign_as(f.admin, user, a.id, None).await,
        Err(RoleError::UnknownUser),
        "{backend}"
    );
    let events = f.events().await;
    let ended: Vec<_> = events
        .iter()
        .filter(|e| e.kind == EventType::ROLE_UNASSIGNED)
        .collect();
    assert_eq!(ended.len(), 2);
    for event in ended {
        let not_before: NotBefore = event.details().unwrap();
        assert_eq!(
            (not_before.user_id, not_before.min_pv),
            (Some(user), access.policy_version)
        );
        assert_eq!(event.data.actor_id, Some(f.admin));
        assert_eq!(event.data.request_id, "deletion");
    }
    // Told twice, it does nothing more; nor do events about others.
    apply(&f, deleted(user, &f)).await;
    assert_eq!(f.events().await.len(), events.len());
    let other = NewEvent::about(
        Service::Profile,
        EventType::USER_SUSPENDED,
        bystander,
        3,
        f.clock.now(),
        &Provenance::default(),
    );
    apply(&f, other.finish().unwrap()).await;
    assert_eq!(f.permissions(bystander).await, ["x:y"]);
}

/// Profile refuses to delete administrators. If one is deleted all the same, the deletion stands.
#[rstest]
#[tokio::test]
async fn even_the_last_administrator_can_be_gone(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    apply(&f, deleted(f.admin, &f)).await;
    assert!(f.administrators().await.is_empty(), "{backend}");
    assert_eq!(
        f.make_first_administrator(f.user()).await,
        Err(RoleError::AdministratorExists),
        "the latch stays closed"
    );
}

/// The deletion may be told between auth's answer and the assignment.
#[rstest]
#[tokio::test]
async fn an_assignment_racing_with_a_deletion_does_not_last(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let role = f.role("clerk", &["x:y"]).await;
    for _ in 0..10 {
        let user = f.user();
        let event = deleted(user, &f);
        let (change, clock) = (f.change(f.admin), f.clock.clone());
        let new = NewAssignment {
            user_id: user,
            role_id: role.id,
            expires_at: None,
        };
        let (assigned, removed) = tokio::join!(
            f.tx(move |conn| assignment_flow::assign(conn, &change, new)),
            f.db.tx(move |conn| assignment_flow::remove_user(conn, &event, &clock)),
        );
        removed.unwrap();
        assert!(
            assigned.is_ok() || assigned == Err(RoleError::UnknownUser),
            "{assigned:?}"
        );
        assert!(f.permissions(user).await.is_empty(), "{backend}");
    }
}

#[test]
fn built_in_ids_are_told_apart() {
    assert_ne!(ADMIN_ROLE, USER_ROLE);
    assert_eq!(
        ADMIN_ROLE.to_string(),
        "00000000-0000-7000-8000-000000000001"
    );
}
