//! SECURITY rule 4: an assignment gives nothing from its second on.

use std::time::Duration;

use role_service::models::{RoleError, assignment_flow};
use rstest::rstest;
use testkit::Backend;
use ud_kernel::{Timestamp, UserId};

use crate::support::{Fixture, START};

async fn temporary(f: &Fixture, seconds: u64) -> (UserId, ud_kernel::AssignmentId) {
    let role = f
        .role(
            "temporary",
            &["roles:write", "role-assignments:write", "x:y"],
        )
        .await;
    let user = f.user();
    let end = f.clock.now().plus(Duration::from_secs(seconds));
    let made = f
        .assign_as(f.admin, user, role.id, Some(end))
        .await
        .unwrap();
    assert_eq!(made.expires_at, Some(end));
    (user, made.id)
}

#[rstest]
#[tokio::test]
async fn it_gives_nothing_from_its_second_on(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let (user, id) = temporary(&f, 10).await;
    let end = START.plus(Duration::from_secs(10));
    assert_eq!(f.access(user).await.valid_until, Some(end));
    f.clock.set(end.minus(Duration::from_millis(1)));
    assert_eq!(
        f.reads().granting(user, "x:y".into()).await.unwrap(),
        ["temporary"]
    );
    assert!(f.create_as(user, "made", &[]).await.is_ok());

    f.clock.set(end);
    assert!(
        f.reads()
            .granting(user, "x:y".into())
            .await
            .unwrap()
            .is_empty()
    );
    let access = f.access(user).await;
    assert_eq!(
        (
            access.roles.len(),
            access.permissions.len(),
            access.valid_until
        ),
        (1, 0, None)
    );
    assert_eq!(
        f.create_as(user, "late", &[]).await,
        Err(RoleError::PermissionDenied)
    );
    assert!(f.assignments_of(user).await.is_empty());
    assert_eq!(
        f.reads().assignment(id).await,
        Err(RoleError::AssignmentNotFound)
    );
    assert_eq!(
        f.unassign_as(f.admin, id).await,
        Err(RoleError::AssignmentNotFound),
        "{backend}"
    );
}

#[rstest]
#[tokio::test]
async fn the_first_end_is_told(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let user = f.user();
    let end = |seconds| START.plus(Duration::from_secs(seconds));
    for (name, expires_at) in [("a", Some(end(30))), ("b", Some(end(20))), ("c", None)] {
        let role = f.role(name, &[]).await;
        f.assign_as(f.admin, user, role.id, expires_at)
            .await
            .unwrap();
    }
    assert_eq!(f.access(user).await.valid_until, Some(end(20)), "{backend}");
    f.clock.set(end(20));
    assert_eq!(f.access(user).await.valid_until, Some(end(30)));
    f.clock.set(end(30));
    assert_eq!(f.access(user).await.valid_until, None);
}

#[rstest]
#[tokio::test]
async fn it_can_be_made_again_and_does_not_count_after_its_end(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let (user, id) = temporary(&f, 10).await;
    let role = f.assignments_of(user).await[0].0.role_id;
    assert_eq!(
        f.assign_as(f.admin, user, role, None).await,
        Err(RoleError::AlreadyAssigned)
    );
    f.clock.advance(Duration::from_secs(10));
    let again = f.assign(user, role).await;
    assert_ne!(again.id, id);
    let kinds: Vec<String> = f
        .events()
        .await
        .iter()
        .filter(|e| e.data.target_id == user.to_string())
        .map(|e| e.kind.to_string())
        .collect();
    assert_eq!(
        kinds,
        ["role_assigned", "role_assigned", "role_assignment_expired"],
        "{backend}"
    );
}

#[rstest]
#[tokio::test]
async fn what_has_ended_is_removed_with_an_event(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let (user, id) = temporary(&f, 10).await;
    let tidy = || {
        let (now, db) = (f.clock.now(), f.db.clone());
        async move {
            db.tx(move |conn| assignment_flow::remove_ended(conn, now))
                .await
        }
    };
    tidy().await.unwrap();
    assert_eq!(f.assignments_of(user).await.len(), 1);
    f.clock.advance(Duration::from_secs(10));
    tidy().await.unwrap();
    tidy().await.unwrap();
    let events = f.events().await;
    let ended: Vec<_> = events
        .iter()
        .filter(|e| e.kind.as_str() == "role_assignment_expired")
        .collect();
    assert_eq!(ended.len(), 1, "{backend}");
    assert_eq!((ended[0].subject, ended[0].sequence), (*id.as_uuid(), 2));
    assert_eq!(ended[0].data.actor_id, None);
    assert_eq!(ended[0].data.target_id, user.to_string());
}

#[rstest]
#[tokio::test]
async fn an_end_is_in_the_future_and_can_be_stored(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let role = f.role("clerk", &[]).await;
    let end = |at: Timestamp| f.assign_as(f.admin, f.user(), role.id, Some(at));
    assert_eq!(end(START).await, Err(RoleError::InvalidExpiry));
    assert_eq!(
        end(Timestamp::from_millis(i64::MIN)).await,
        Err(RoleError::InvalidExpiry)
    );
    let edge: Timestamp = "9999-12-31T23:59:59-23:59".parse().unwrap();
    assert_eq!(end(edge).await, Err(RoleError::InvalidExpiry), "{backend}");
    let far: Timestamp = "9998-12-31T00:00:00.999Z".parse().unwrap();
    let stored = end(far).await.unwrap();
    let read = f.reads().assignment(stored.id).await.unwrap().0;
    assert_eq!(read, stored, "{backend}");
    assert_eq!(
        read.expires_at.unwrap().to_string(),
        "9998-12-31T00:00:00.000Z"
    );
}
