//! SECURITY rules 3 and 14: 100 permissions a role, 20 roles a user, 2,500 bytes of names for one user, or less where
//! a token has room for less.

use role_service::models::{
    ADMIN_ROLE, MAX_NAMES_BYTES, MAX_ROLES, PermissionSet, RoleError, RolePatch, USER_ROLE,
};
use rstest::rstest;
use testkit::Backend;
use ud_jwt::MIN_NAMES_ROOM;
use ud_kernel::{Patch, RoleId, UserId};

use crate::support::Fixture;

/// The limit where the configuration leaves enough of a token, and one that it lowers.
const LIMITS: [usize; 2] = [MAX_NAMES_BYTES, MIN_NAMES_ROOM];

/// The refusal where the limit is not lowered.
const TOO_LONG: RoleError = RoleError::NamesTooLong {
    most: MAX_NAMES_BYTES,
};

async fn fixture(backend: Backend, most_names: usize) -> Fixture {
    Fixture {
        most_names,
        ..Fixture::new(backend).await
    }
}

/// `n` permissions that take `each` bytes in a token, with quotes and comma.
fn permissions(prefix: &str, n: usize, each: usize) -> Vec<String> {
    let one = |i| {
        let verb = format!("{prefix}{i:03}");
        let room = each - 3 - 1 - verb.len();
        let resource = room.min(32);
        format!(
            "{}:{verb}{}",
            "x".repeat(resource),
            "y".repeat(room - resource)
        )
    };
    (0..n).map(one).collect()
}

pub fn texts(permissions: &[String]) -> Vec<&str> {
    permissions.iter().map(String::as_str).collect()
}

pub async fn grow(f: &Fixture, role: RoleId, permissions: &[String]) -> Result<(), RoleError> {
    f.update_as(f.admin, role, &texts(permissions))
        .await
        .map(drop)
}

/// A user with a role of `bytes` bytes in all, the role's and `user`'s names counted.
pub async fn filled(f: &Fixture, name: &str, bytes: usize) -> (UserId, RoleId) {
    let names = (name.len() + 3) + ("user".len() + 3);
    let room = bytes - names;
    let mut set = permissions(name, room / 25 - 1, 25);
    let rest = room - 25 * set.len();
    set.extend(permissions(&format!("{name}z"), 1, rest));
    let role = f.role(name, &texts(&set)).await;
    let user = f.user();
    f.assign(user, role.id).await;
    (user, role.id)
}

#[rstest]
#[tokio::test]
async fn a_user_has_at_most_twenty_roles(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let user = f.user();
    for i in 0..MAX_ROLES {
        let role = f.role(&format!("r{i}"), &[]).await;
        f.assign(user, role.id).await;
    }
    let one_more = f.role("more", &[]).await;
    assert_eq!(
        f.assign_as(f.admin, user, one_more.id, None).await,
        Err(RoleError::TooManyPermissions),
        "{backend}"
    );
    f.assign(f.user(), one_more.id).await;
    let first = f.assignments_of(user).await.remove(0).0;
    f.unassign_as(f.admin, first.id).await.unwrap();
    f.assign(user, one_more.id).await;
}

#[rstest]
#[tokio::test]
async fn what_one_user_gets_is_limited_when_it_is_assigned(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
    #[values(LIMITS[0], LIMITS[1])] most: usize,
) {
    let f = fixture(backend, most).await;
    // Exactly full.
    let (user, role) = filled(&f, "full", most).await;
    // A role without permissions still has a name.
    let empty = f.role("e", &[]).await;
    assert_eq!(
        f.assign_as(f.admin, user, empty.id, None).await,
        Err(RoleError::NamesTooLong { most }),
        "{backend}, {most}"
    );
    // `admin` does not hide the others: it can be taken away again.
    assert_eq!(
        f.assign_as(f.admin, user, ADMIN_ROLE, None).await,
        Err(RoleError::NamesTooLong { most })
    );
    // One byte more than fits nobody.
    let mut set = f.reads().role(role).await.unwrap().permissions.to_vec();
    set[0].push('y');
    let over = f.role("over", &texts(&set)).await;
    assert_eq!(
        f.assign_as(f.admin, f.user(), over.id, None).await,
        Err(RoleError::NamesTooLong { most })
    );
}

#[rstest]
#[tokio::test]
async fn what_a_role_gets_is_limited_by_those_who_have_it(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
    #[values(LIMITS[0], LIMITS[1])] most: usize,
) {
    let f = fixture(backend, most).await;
    let (user, full) = filled(&f, "full", most - 30).await;
    let small = f.role("small", &[]).await;
    assert_eq!(f.assign(user, small.id).await.user_id, user);
    // 30 - 8 bytes are left.
    let grown = |each| permissions("s", 1, each);
    assert_eq!(
        grow(&f, small.id, &grown(22)).await,
        Ok(()),
        "{backend}, {most}"
    );
    assert_eq!(
        grow(&f, small.id, &grown(23)).await,
        Err(RoleError::NamesTooLong { most }),
        "{backend}, {most}"
    );
    assert_eq!(
        f.reads().role(small.id).await.unwrap().permissions.to_vec(),
        grown(22)
    );
    // What the user has by another role costs nothing again: exact, though the sum is far over.
    let shared = f.reads().role(full).await.unwrap().permissions.to_vec();
    assert_eq!(
        grow(&f, small.id, &shared).await,
        Ok(()),
        "{backend}, {most}"
    );
    assert_eq!(grow(&f, small.id, &[]).await, Ok(()));
    // A role that nobody has is limited by its number alone.
    let unused = f.role("unused", &[]).await;
    assert_eq!(
        grow(&f, unused.id, &permissions("u", 100, 60)).await,
        Ok(())
    );
}

#[rstest]
#[tokio::test]
async fn what_everybody_gets_is_limited_by_everybody(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
    #[values(LIMITS[0], LIMITS[1])] most: usize,
) {
    let f = fixture(backend, most).await;
    let (user, _) = filled(&f, "full", most - 30).await;
    assert_eq!(
        grow(&f, USER_ROLE, &permissions("e", 1, 30)).await,
        Ok(()),
        "{backend}, {most}"
    );
    assert_eq!(
        grow(&f, USER_ROLE, &permissions("e", 1, 31)).await,
        Err(RoleError::NamesTooLong { most }),
        "{backend}, {most}"
    );
    let own = f.assignments_of(user).await.remove(0).0;
    f.unassign_as(f.admin, own.id).await.unwrap();
    assert_eq!(grow(&f, USER_ROLE, &permissions("e", 1, 31)).await, Ok(()));
    assert_eq!(
        grow(&f, USER_ROLE, &permissions("e", 99, 40)).await,
        Err(RoleError::NamesTooLong { most }),
        "more than a user without any other role may have"
    );
}

#[rstest]
#[tokio::test]
async fn a_role_has_at_most_a_hundred_permissions(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let hundred = permissions("p", 100, 68);
    let role = f.role("big", &texts(&hundred)).await;
    assert_eq!(
        f.reads().role(role.id).await.unwrap().permissions.to_vec(),
        hundred
    );
    assert_eq!(
        PermissionSet::of_role(permissions("p", 101, 68)),
        Err(RoleError::TooManyPermissions)
    );
    let description: String = "\u{1F98A}".repeat(500);
    let patch = RolePatch {
        description: Patch::Set(description.clone()),
        permissions: None,
    };
    let (role, _) = f.patch_as(f.admin, role.id, patch).await.unwrap();
    assert_eq!(
        role.description,
        Some(description),
        "{backend}: the longest description"
    );
}

#[rstest]
#[tokio::test]
async fn a_limit_holds_against_two_at_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let (user, _) = filled(&f, "full", MAX_NAMES_BYTES - 20).await;
    let (a, b) = (
        f.role("aaa", &["a:aaaaa"]).await,
        f.role("bbb", &["b:bbbbb"]).await,
    );
    let (first, second) = tokio::join!(
        f.assign_as(f.admin, user, a.id, None),
        f.assign_as(f.admin, user, b.id, None)
    );
    let outcomes = [first.map(drop), second.map(drop)];
    assert!(outcomes.contains(&Ok(())), "{backend}: {outcomes:?}");
    assert!(outcomes.contains(&Err(TOO_LONG)), "{backend}: {outcomes:?}");
}

/// Somebody who may write roles and assignments fills nobody's places: what they make is nobody's, what is not
/// theirs they do not give, and of somebody who holds more they touch nothing.
#[rstest]
#[tokio::test]
async fn a_clerk_fills_nobodys_places(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let clerk = f
        .user_with("clerk", &["roles:write", "role-assignments:write"])
        .await;
    let friend = f.user();
    let mut given = 0;
    for i in 0..=MAX_ROLES {
        let stuffing = f.create_as(clerk, &format!("stuffing{i}"), &[]).await;
        let id = stuffing.unwrap().id;
        for user in [f.admin, friend, clerk] {
            let outcome = f.assign_as(clerk, user, id, None).await;
            assert_eq!(outcome, Err(RoleError::Escalation), "{backend}");
        }
        // Nor when the clerk has the role.
        if i < 5 {
            f.assign(clerk, id).await;
            let outcome = f.assign_as(clerk, f.admin, id, None).await;
            assert_eq!(outcome, Err(RoleError::TargetHoldsMore), "{backend}");
            f.assign_as(clerk, friend, id, None).await.unwrap();
            given += 1;
        }
    }
    assert_eq!(f.assignments_of(f.admin).await.len(), 1, "`admin` alone");
    assert_eq!(f.assignments_of(friend).await.len(), given);
    // The administrator's places are free, and stay the administrator's to give up.
    let wanted = f.role("wanted", &[]).await;
    let own = f.assign(f.admin, wanted.id).await;
    let taken = f.unassign_as(clerk, own.id).await;
    assert_eq!(taken, Err(RoleError::Escalation));
    f.assign(clerk, wanted.id).await;
    let taken = f.unassign_as(clerk, own.id).await;
    assert_eq!(taken, Err(RoleError::TargetHoldsMore));
    let deleted = f.delete_as(clerk, wanted.id).await;
    assert_eq!(deleted, Err(RoleError::Escalation));
}

/// The role `user` grows as far as it could before a clerk did what they could: nobody is fuller than the clerk was
/// by names that the clerk gave to who had none.
#[rstest]
#[tokio::test]
async fn a_clerk_takes_no_room_from_everybody(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let (clerk, held) = filled(&f, "held", MAX_NAMES_BYTES - 300).await;
    let writer = f
        .role("writer", &["roles:write", "role-assignments:write"])
        .await;
    f.assign(clerk, writer.id).await;
    // What is left beside what the clerk has.
    let left = 300 - "\"writer\",\"roles:write\",\"role-assignments:write\",".len();
    let friend = f.user();
    for role in [held, writer.id] {
        f.assign_as(clerk, friend, role, None).await.unwrap();
    }
    let long = "x".repeat(63);
    let invented = f.create_as(clerk, &long, &[]).await.unwrap();
    let outcome = f.assign_as(clerk, friend, invented.id, None).await;
    assert_eq!(outcome, Err(RoleError::Escalation), "{backend}");
    // A permission that the clerk does not hold makes no role of others longer either.
    let outcome = f.update_as(clerk, writer.id, &["stuffing:stuffing"]).await;
    assert_eq!(outcome, Err(RoleError::Escalation));

    let everybody = |bytes| permissions("e", 1, bytes);
    assert_eq!(
        grow(&f, USER_ROLE, &everybody(60)).await,
        Ok(()),
        "{backend}"
    );
    let mut most = permissions("f", left / 50 - 1, 50);
    most.extend(permissions("g", 1, left - 50 * most.len()));
    assert_eq!(
        grow(&f, USER_ROLE, &most).await,
        Ok(()),
        "{backend}: all that was left"
    );
    most.extend(permissions("h", 1, 20));
    let over = grow(&f, USER_ROLE, &most).await;
    assert_eq!(over, Err(TOO_LONG), "the clerk's own names bound it");
}
