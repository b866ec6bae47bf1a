use role_service::models::{AssignmentFilter, RoleError, RolePatch, USER_ROLE, role_flow};
use rstest::rstest;
use testkit::Backend;
use ud_kernel::{AssignmentId, Patch, RoleId};

use crate::support::{Fixture, new_role, set};

#[rstest]
#[tokio::test]
async fn a_role_is_stored_read_changed_and_deleted(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let mut new = new_role("order-clerk", &["orders:write", "orders:read"]);
    new.description = Some("Zoë's ’quoted‘ \\ % role".to_owned());
    let change = f.change(f.admin);
    let made = f
        .tx(move |conn| role_flow::create(conn, &change, &new))
        .await
        .unwrap();
    assert_eq!(made.permissions.to_vec(), ["orders:read", "orders:write"]);
    assert_eq!(f.reads().role(made.id).await.unwrap(), made);

    assert_eq!(
        f.create_as(f.admin, "order-clerk", &[]).await,
        Err(RoleError::NameTaken),
        "{backend}"
    );

    f.clock.advance(std::time::Duration::from_secs(5));
    let patch = RolePatch {
        description: Patch::Clear,
        permissions: Some(set(&["a:b"])),
    };
    let (changed, not_before) = f.patch_as(f.admin, made.id, patch).await.unwrap();
    assert_eq!(
        (
            changed.description.as_deref(),
            changed.version,
            changed.updated_at
        ),
        (None, 2, f.clock.now())
    );
    assert_eq!(changed.created_at, made.created_at);
    assert_eq!(f.reads().role(made.id).await.unwrap(), changed);
    assert_eq!(not_before.unwrap().role.as_deref(), Some("order-clerk"));

    let stale = {
        let change = f.change(f.admin);
        let patch = RolePatch {
            description: Patch::Set("x".into()),
            permissions: None,
        };
        f.tx(move |conn| role_flow::update(conn, &change, made.id, &patch, &|v| v == 1))
            .await
    };
    assert_eq!(stale, Err(RoleError::VersionMismatch));

    f.delete_as(f.admin, made.id).await.unwrap();
    assert_eq!(f.reads().role(made.id).await, Err(RoleError::RoleNotFound));
    assert_eq!(
        f.delete_as(f.admin, made.id).await,
        Err(RoleError::RoleNotFound)
    );
    // The name is free again.
    f.role("order-clerk", &[]).await;
}

#[rstest]
#[tokio::test]
async fn what_a_user_may_do_is_the_union_of_their_roles(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let before = f.access(f.admin).await.policy_version;
    let user = f.user();
    assert_eq!(f.access(user).await.roles, ["user"]);
    let a = f.role("a-role", &["x:y", "b:b"]).await;
    let b = f.role("z-role", &["x:y", "a:a"]).await;
    f.update_as(f.admin, USER_ROLE, &["all:may"]).await.unwrap();
    f.assign(user, a.id).await;
    let last = f.assign(user, b.id).await;
    let access = f.access(user).await;
    assert_eq!(access.roles, ["a-role", "user", "z-role"]);
    assert_eq!(access.permissions, ["a:a", "all:may", "b:b", "x:y"]);
    assert_eq!(
        access.policy_version,
        before + 5,
        "each change raises it once"
    );
    assert_eq!(access.valid_until, None);
    assert_eq!(f.access(f.admin).await.permissions, ["*"]);

    let granting = |permission: &str| {
        let (reads, permission) = (f.reads(), permission.to_owned());
        async move { reads.granting(user, permission).await.unwrap() }
    };
    assert_eq!(granting("x:y").await, ["a-role", "z-role"]);
    assert_eq!(granting("all:may").await, ["user"]);
    assert!(granting("x:z").await.is_empty());
    assert!(granting("*").await.is_empty());

    let not_before = f.unassign_as(f.admin, last.id).await.unwrap();
    let access = f.access(user).await;
    assert_eq!(
        (not_before.user_id, not_before.min_pv),
        (Some(user), access.policy_version)
    );
    assert_eq!(access.permissions, ["all:may", "b:b", "x:y"]);
}

#[rstest]
#[tokio::test]
async fn a_failed_change_raises_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let before = f.access(f.admin).await.policy_version;
    let nobody = f.user();
    assert_eq!(
        f.create_as(nobody, "mine", &[]).await,
        Err(RoleError::PermissionDenied)
    );
    assert_eq!(
        f.unassign_as(f.admin, AssignmentId::new(f.clock.now()))
            .await,
        Err(RoleError::AssignmentNotFound)
    );
    let unknown = RoleId::new(f.clock.now());
    assert_eq!(
        f.update_as(f.admin, unknown, &[]).await,
        Err(RoleError::RoleNotFound)
    );
    assert_eq!(
        f.assign_as(f.admin, nobody, unknown, None).await,
        Err(RoleError::RoleNotFound)
    );
    assert_eq!(f.access(f.admin).await.policy_version, before, "{backend}");
}

#[rstest]
#[tokio::test]
async fn a_role_is_assigned_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let role = f.role("clerk", &[]).await;
    let user = f.user();
    let first = f.assign(user, role.id).await;
    assert_eq!(
        f.assign_as(f.admin, user, role.id, None).await,
        Err(RoleError::AlreadyAssigned)
    );
    f.unassign_as(f.admin, first.id).await.unwrap();
    assert_ne!(f.assign(user, role.id).await.id, first.id);
}

#[rstest]
#[tokio::test]
async fn of_two_the_same_at_once_one_is_made(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let (a, b) = tokio::join!(
        f.create_as(f.admin, "clerk", &[]),
        f.create_as(f.admin, "clerk", &[])
    );
    let role = a.clone().or(b.clone()).unwrap();
    assert!(
        [a.map(|r| r.id), b.map(|r| r.id)].contains(&Err(RoleError::NameTaken)),
        "{backend}"
    );
    let user = f.user();
    let (a, b) = tokio::join!(
        f.assign_as(f.admin, user, role.id, None),
        f.assign_as(f.admin, user, role.id, None)
    );
    let outcomes = [a.map(|_| ()), b.map(|_| ())];
    assert!(outcomes.contains(&Ok(())), "{backend}");
    assert!(
        outcomes.contains(&Err(RoleError::AlreadyAssigned)),
        "{backend}"
    );
}

#[rstest]
#[tokio::test]
async fn deleting_a_role_takes_its_assignments(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let role = f.role("clerk", &["x:y"]).await;
    let other = f.role("other", &["a:b"]).await;
    let users = [f.user(), f.user()];
    for user in users {
        f.assign(user, role.id).await;
        f.assign(user, other.id).await;
    }
    let not_before = f.delete_as(f.admin, role.id).await.unwrap();
    assert_eq!(not_before.role.as_deref(), Some("clerk"));
    for user in users {
        let access = f.access(user).await;
        assert_eq!(access.permissions, ["a:b"]);
        assert_eq!(not_before.min_pv, access.policy_version);
    }
}

#[rstest]
#[tokio::test]
async fn lists_come_in_pages(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let user = f.user();
    let mut made = Vec::new();
    for i in 0..5 {
        f.clock.advance(std::time::Duration::from_millis(1));
        let role = f.role(&format!("role-{i}"), &[]).await;
        f.clock.advance(std::time::Duration::from_millis(1));
        made.push((role.id, f.assign(user, role.id).await.id));
    }
    let roles = f.reads().roles(None, 4).await.unwrap();
    assert_eq!(roles.len(), 4);
    let rest = f.reads().roles(Some(roles[3].id), 100).await.unwrap();
    assert_eq!(
        rest.iter().map(|r| r.id).collect::<Vec<_>>(),
        [made[2].0, made[3].0, made[4].0]
    );

    let page = |filter, after| {
        let reads = f.reads();
        async move {
            let found = reads.assignments(filter, after, 2).await.unwrap();
            found
                .into_iter()
                .map(|(a, name)| (a.id, name))
                .collect::<Vec<_>>()
        }
    };
    let of_user = AssignmentFilter {
        user_id: Some(user),
        role_id: None,
    };
    let first = page(of_user, None).await;
    assert_eq!(
        first,
        [
            (made[0].1, "role-0".to_owned()),
            (made[1].1, "role-1".to_owned())
        ]
    );
    let next = page(of_user, Some(first[1].0)).await;
    assert_eq!(next[0].0, made[2].1);
    let of_role = AssignmentFilter {
        user_id: None,
        role_id: Some(made[4].0),
    };
    assert_eq!(
        page(of_role, None).await,
        [(made[4].1, "role-4".to_owned())]
    );
    let of_both = AssignmentFilter {
        user_id: Some(f.admin),
        role_id: Some(made[4].0),
    };
    assert!(page(of_both, None).await.is_empty());
    assert_eq!(page(AssignmentFilter::default(), None).await.len(), 2);
}
