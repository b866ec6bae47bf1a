//! SECURITY rule 1, of ends: what is given ends no later than what the giver holds.

use std::time::Duration;

use reqwest::Method;
use role_service::models::{Assignment, RoleError, RolePatch};
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_kernel::{Patch, RoleId, Timestamp, UserId};

use crate::{
    service::{Answer, App},
    support::{Fixture, START},
};

const BOTH: &[&str] = &["roles:write", "role-assignments:write"];

const LATE: Result<(), RoleError> = Err(RoleError::AssignmentOutlivesGrantor);

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// A clerk for good.
async fn clerk(f: &Fixture) -> UserId {
    f.user_with("clerk", BOTH).await
}

async fn lend(f: &Fixture, user: UserId, role: RoleId, end: Option<Timestamp>) -> Assignment {
    f.assign_as(f.admin, user, role, end).await.unwrap()
}

/// Whether `caller` may give `role` to a newcomer until `end`.
async fn give(
    f: &Fixture,
    caller: UserId,
    role: RoleId,
    end: Option<Timestamp>,
) -> Result<(), RoleError> {
    f.assign_as(caller, f.user(), role, end).await.map(drop)
}

#[rstest]
#[tokio::test]
async fn who_has_a_role_for_a_time_gives_it_no_longer(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let clerk = clerk(&f).await;
    let name = f.role("name-alone", &[]).await.id;
    lend(&f, clerk, name, Some(at(60))).await;
    assert_eq!(give(&f, clerk, name, None).await, LATE, "{backend}");
    assert_eq!(give(&f, clerk, name, Some(at(61))).await, LATE);
    assert_eq!(give(&f, clerk, name, Some(at(60))).await, Ok(()));
    // An end is cut to its second before it is compared.
    let cut = at(60).plus(Duration::from_millis(999));
    assert_eq!(give(&f, clerk, name, Some(cut)).await, Ok(()));
    assert_eq!(give(&f, clerk, name, Some(at(30))).await, Ok(()));

    // In its last second still, and from its end on not at all, though the row is there.
    f.clock.set(at(60).minus(Duration::from_millis(1)));
    assert_eq!(give(&f, clerk, name, Some(at(61))).await, LATE);
    f.clock.set(at(60));
    let ended = Err(RoleError::Escalation);
    assert_eq!(give(&f, clerk, name, Some(at(120))).await, ended);
}

#[rstest]
#[tokio::test]
async fn a_permission_is_held_until_the_latest_of_its_ends(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let clerk = clerk(&f).await;
    let one = f.role("one", &["orders:read", "orders:list"]).await.id;
    let two = f.role("two", &["orders:read"]).await.id;
    let three = f.role("three", &["orders:read"]).await.id;
    // Both names without end, the permissions with one: by holding `roles:grant`.
    let granting = f.role("granting", &["roles:grant"]).await.id;
    lend(&f, clerk, granting, None).await;
    lend(&f, clerk, one, Some(at(60))).await;
    assert_eq!(give(&f, clerk, two, Some(at(61))).await, LATE, "{backend}");
    lend(&f, clerk, two, Some(at(90))).await;
    assert_eq!(give(&f, clerk, three, Some(at(90))).await, Ok(()));
    assert_eq!(give(&f, clerk, three, Some(at(91))).await, LATE);
    // A role is given no longer than the first of its permissions is held.
    assert_eq!(give(&f, clerk, one, Some(at(61))).await, LATE);
    assert_eq!(give(&f, clerk, one, Some(at(60))).await, Ok(()));
    let for_good = lend(&f, clerk, three, None).await;
    assert_eq!(give(&f, clerk, two, None).await, Ok(()));
    // Gone with what gave it.
    f.unassign_as(f.admin, for_good.id).await.unwrap();
    assert_eq!(give(&f, clerk, two, None).await, LATE);
    // An assignment that has ended gives nothing, neither its permissions nor its name.
    f.clock.set(at(60));
    let ended = Err(RoleError::Escalation);
    assert_eq!(give(&f, clerk, one, Some(at(80))).await, ended);
    assert_eq!(give(&f, clerk, two, Some(at(80))).await, Ok(()));
}

#[rstest]
#[tokio::test]
async fn foreign_names_are_given_no_longer_than_grant_is_held(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let clerk = clerk(&f).await;
    let name = f.role("name-alone", &[]).await.id;
    assert_eq!(
        give(&f, clerk, name, Some(at(30))).await,
        Err(RoleError::Escalation),
        "{backend}"
    );
    let granting = f.role("granting", &["roles:grant"]).await.id;
    lend(&f, clerk, granting, Some(at(60))).await;
    assert_eq!(give(&f, clerk, name, None).await, LATE);
    assert_eq!(give(&f, clerk, name, Some(at(61))).await, LATE);
    assert_eq!(give(&f, clerk, name, Some(at(60))).await, Ok(()));
    // `roles:grant` itself is a permission like any other: given by its holders, no longer than they have it.
    assert_eq!(give(&f, clerk, granting, Some(at(61))).await, LATE);
    assert_eq!(give(&f, clerk, granting, Some(at(60))).await, Ok(()));
    // A new role is given by them, and to themselves no longer.
    let made = f.create_as(clerk, "made", &[]).await.unwrap().id;
    assert_eq!(f.assign_as(clerk, clerk, made, None).await.map(drop), LATE);
    f.assign_as(clerk, clerk, made, Some(at(60))).await.unwrap();
    // Whoever has the role itself for longer gives it for as long as that.
    let own = f.role("own", &[]).await.id;
    lend(&f, clerk, own, None).await;
    assert_eq!(give(&f, clerk, own, None).await, Ok(()));
    f.clock.set(at(60));
    let ended = Err(RoleError::Escalation);
    assert_eq!(give(&f, clerk, name, Some(at(90))).await, ended);
    assert_eq!(give(&f, clerk, own, None).await, Ok(()));
}

#[rstest]
#[tokio::test]
async fn whose_rights_have_ended_holds_no_more(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let clerk = clerk(&f).await;
    let strong = f.role("strong", &["users:delete"]).await.id;
    let (common, lent) = (f.role("common", &[]).await.id, f.role("lent", &[]).await.id);
    let (chief, guest) = (f.user(), f.user());
    lend(&f, clerk, common, None).await;
    lend(&f, chief, strong, Some(at(60))).await;
    let theirs = lend(&f, chief, common, None).await.id;
    lend(&f, guest, lent, Some(at(60))).await;
    let more = Err(RoleError::TargetHoldsMore);
    let take = || async { f.unassign_as(clerk, theirs).await.map(drop) };
    let change = |role| {
        let (description, f) = (Patch::Set("d".to_owned()), &f);
        let patch = RolePatch {
            description,
            permissions: None,
        };
        async move { f.patch_as(clerk, role, patch).await.map(drop) }
    };
    assert_eq!(take().await, more, "{backend}");
    assert_eq!(change(common).await, Err(RoleError::Escalation));
    let delete = f.delete_as(clerk, lent).await.map(drop);
    assert_eq!(delete, Err(RoleError::Escalation), "a guest has it");
    // The rows of what has ended are still there.
    f.clock.set(at(60));
    assert_eq!(change(common).await, Ok(()));
    assert_eq!(take().await, Ok(()));
    f.delete_as(clerk, lent).await.unwrap();
    let again = f.assign_as(clerk, chief, common, None).await;
    assert_eq!(again.unwrap().expires_at, None);
}

#[rstest]
#[tokio::test]
async fn a_role_gets_no_permission_that_ends(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let clerk = clerk(&f).await;
    let lent = f.role("lent", &["orders:read"]).await.id;
    let other = f.role("other", &["orders:read"]).await.id;
    let empty = f.role("empty", &[]).await.id;
    lend(&f, clerk, lent, Some(at(60))).await;
    let late = RoleError::PermissionsOutliveGrantor;
    let made = f.create_as(clerk, "made", &["orders:read"]).await;
    assert_eq!(made.unwrap_err(), late, "{backend}");
    let put = f.update_as(clerk, empty, &["orders:read"]).await;
    assert_eq!(put.unwrap_err(), late);
    // What a role has already is not put into it, and what is taken out of it needs no end.
    let description = Patch::Set("d".to_owned());
    let described = RolePatch {
        description,
        permissions: None,
    };
    f.patch_as(clerk, other, described).await.unwrap();
    let kept = f
        .update_as(clerk, other, &["orders:read", "roles:write"])
        .await;
    kept.unwrap();
    f.update_as(clerk, other, &["roles:write"]).await.unwrap();
    let again = f
        .update_as(clerk, other, &["orders:read", "roles:write"])
        .await;
    assert_eq!(again.unwrap_err(), late);
    f.delete_as(clerk, other).await.unwrap();
}

#[rstest]
#[actix_web::test]
async fn what_is_wrong_with_an_end_is_said(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let f = &app.f;
    let clerk = clerk(f).await;
    let chief = f.user_with("chief", &["users:delete"]).await;
    let lent = f.role("lent", &["orders:read"]).await.id;
    lend(f, clerk, lent, Some(at(60))).await;
    let assignments = "/api/v1/role-assignments";
    for end in [json!(null), json!("2027-01-15T08:01:01Z")] {
        let body = json!({"user_id": f.user(), "role_id": lent, "expires_at": end});
        let late = app.post(clerk, assignments, body).await;
        assert_eq!(late.problem(), (422, "role.outlives-grantor"), "{backend}");
        assert_eq!(late.pointers(), ["/expires_at"]);
    }
    let (user, end) = (f.user(), "2027-01-15T08:01:00Z");
    let body = json!({"user_id": user, "role_id": lent, "expires_at": end});
    let made = app.post(clerk, assignments, body).await;
    assert_eq!((made.status, &made.body["role"]), (201, &json!("lent")));

    let body = json!({"name": "made", "permissions": ["orders:read"]});
    let late = app.post(clerk, "/api/v1/roles", body.clone()).await;
    assert_eq!(late.problem(), (422, "role.outlives-grantor"));
    assert_eq!(late.pointers(), ["/permissions"]);
    let empty = f.role("empty", &[]).await.id;
    let path = format!("/api/v1/roles/{empty}");
    let late = app
        .patch(clerk, &path, json!({"permissions": ["orders:read"]}))
        .await;
    assert_eq!(late.problem(), (422, "role.outlives-grantor"));
    assert_eq!(late.pointers(), ["/permissions"]);

    // Somebody who holds more: neither given nor taken, and told as such.
    let body = json!({"user_id": chief, "role_id": lent, "expires_at": end});
    let more = app.post(clerk, assignments, body).await;
    assert_eq!(more.problem(), (403, "user.target-holds-more"));
    let theirs = lend(f, chief, lent, None).await.id;
    let path = format!("{assignments}/{theirs}");
    let more = app.delete(clerk, &path).await;
    assert_eq!(more.problem(), (403, "user.target-holds-more"));
    let request = app
        .request_as(clerk, Method::DELETE, &format!("/api/v1/roles/{lent}"))
        .await;
    assert_eq!(
        Answer::of(request).await.problem(),
        (403, "role.escalation")
    );

    let f = app.stop().await;
    let denied: Vec<String> = f
        .events()
        .await
        .iter()
        .filter(|e| e.kind.as_str() == "permission_denied")
        .map(|e| e.data.target_id.clone())
        .collect();
    assert_eq!(denied.len(), 7, "each refusal is told to audit: {denied:?}");
}
