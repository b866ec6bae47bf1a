use role_service::models::{ADMIN_ROLE, RoleError, RolePatch, USER_ROLE};
use rstest::rstest;
use testkit::Backend;
use ud_kernel::Patch;

use crate::support::Fixture;

#[rstest]
#[tokio::test]
async fn admin_is_never_changed_and_neither_is_deleted(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let writer = f
        .user_with("writer", &["roles:write", "role-assignments:write"])
        .await;
    for caller in [f.admin, writer] {
        assert_eq!(
            f.update_as(caller, ADMIN_ROLE, &["a:b"]).await,
            Err(RoleError::BuiltIn)
        );
        assert_eq!(
            f.update_as(caller, ADMIN_ROLE, &[]).await,
            Err(RoleError::BuiltIn)
        );
        let described = RolePatch {
            description: Patch::Clear,
            permissions: None,
        };
        assert_eq!(
            f.patch_as(caller, ADMIN_ROLE, described).await,
            Err(RoleError::BuiltIn)
        );
        assert_eq!(
            f.delete_as(caller, ADMIN_ROLE).await,
            Err(RoleError::BuiltIn)
        );
        assert_eq!(
            f.delete_as(caller, USER_ROLE).await,
            Err(RoleError::BuiltIn)
        );
    }
    assert_eq!(f.permissions(f.admin).await, ["*"]);
}

#[rstest]
#[tokio::test]
async fn user_is_everybodys_and_changed_by_a_holder_of_the_star_alone(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let somebody = f.user();
    assert_eq!(
        f.assign_as(f.admin, somebody, USER_ROLE, None).await,
        Err(RoleError::BuiltIn)
    );
    // Not even by one who holds all that it has and gets, nor its description.
    let writer = f.user_with("writer", &["roles:write", "orders:read"]).await;
    assert_eq!(
        f.update_as(writer, USER_ROLE, &["orders:read"]).await,
        Err(RoleError::Escalation)
    );
    let described = RolePatch {
        description: Patch::Set("x".into()),
        permissions: None,
    };
    assert_eq!(
        f.patch_as(writer, USER_ROLE, described).await,
        Err(RoleError::Escalation)
    );

    let (_, not_before) = f
        .update_as(f.admin, USER_ROLE, &["orders:read"])
        .await
        .unwrap();
    assert_eq!(not_before, None, "nothing was taken away");
    assert_eq!(f.permissions(somebody).await, ["orders:read"]);
    let (_, not_before) = f.update_as(f.admin, USER_ROLE, &[]).await.unwrap();
    let version = f.access(somebody).await.policy_version;
    let not_before = not_before.unwrap();
    assert_eq!(
        (not_before.role.as_deref(), not_before.min_pv),
        (Some("user"), version)
    );
}

#[rstest]
#[tokio::test]
async fn the_names_of_built_in_roles_are_taken(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    for name in ["admin", "user"] {
        assert_eq!(
            f.create_as(f.admin, name, &[]).await,
            Err(RoleError::NameTaken)
        );
    }
}

#[rstest]
#[tokio::test]
async fn an_administrators_assignment_has_no_end(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let user = f.user();
    let later = f.clock.now().plus(std::time::Duration::from_secs(60));
    assert_eq!(
        f.assign_as(f.admin, user, ADMIN_ROLE, Some(later)).await,
        Err(RoleError::AdministratorExpires)
    );
    f.assign(user, ADMIN_ROLE).await;
}
