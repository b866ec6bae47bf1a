//! Tests what a token has room for, where that is less than 2,500 bytes (SECURITY rule 14).

use role_service::models::{ADMIN_ROLE, MAX_NAMES_BYTES, MAX_ROLES, RoleError, USER_ROLE};
use rstest::rstest;
use serde_json::json;
use testkit::{AUDIENCE, Backend, ISSUER};
use ud_jwt::{Algorithm, MIN_NAMES_ROOM, SigningKey, name_bytes, names_room};
use ud_kernel::{RoleId, UserId};

use crate::{
    limits::{filled, grow, texts},
    service::App,
    support::Fixture,
};

/// A limit that was lowered takes nothing away: what is over it stays, shrinks, and grows no further.
#[rstest]
#[tokio::test]
async fn a_lower_limit_leaves_what_there_is(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let mut f = Fixture::new(backend).await;
    let (user, full) = filled(&f, "full", MAX_NAMES_BYTES).await;
    f.most_names = MIN_NAMES_ROOM;
    let most = f.most_names;
    let held = f.reads().role(full).await.unwrap().permissions.to_vec();
    let mut more = held.clone();
    more.push("one:more".to_owned());
    let over = Err(RoleError::NamesTooLong { most });
    assert_eq!(grow(&f, full, &more).await, over, "{backend}");
    let e = f.role("e", &[]).await;
    let assigned = f.assign_as(f.admin, user, e.id, None).await;
    assert_eq!(assigned.map(drop), over, "{backend}");
    assert_eq!(
        grow(&f, USER_ROLE, &["one:more".to_owned()]).await,
        over,
        "{backend}"
    );
    let still = f.reads().role(full).await.unwrap().permissions.to_vec();
    assert_eq!(still, held, "{backend}");
    assert_eq!(grow(&f, full, &held[..50]).await, Ok(()), "{backend}");
    assert_eq!(f.assign(user, e.id).await.user_id, user);
}

/// The commands and the route that make administrators ask no limit, and need none: the longest names there can be
/// leave `*` its place in the smallest token.
#[test]
fn an_administrators_token_always_fits() {
    let roles = MAX_ROLES * name_bytes(&"r".repeat(63));
    let rest: usize = ["user", "admin", "*"].map(name_bytes).into_iter().sum();
    assert!(roles + rest <= MIN_NAMES_ROOM);
}

/// A key of RS256 that is published, and may not sign yet, leaves less of a token than the issuer's own: by every way in
/// which a name reaches a user, the refusal says how much, and changes nothing.
#[actix_web::test]
async fn the_limit_follows_the_published_keys() {
    let rsa = SigningKey::generate(Algorithm::Rs256).unwrap();
    let app = App::start_beside(Backend::Sqlite, vec![rsa]).await;
    let room = names_room(ISSUER, AUDIENCE, Algorithm::Rs256);
    assert!((MIN_NAMES_ROOM..MAX_NAMES_BYTES).contains(&room));
    let (user, full) = filled(&app.f, "full", room).await;
    let held = app.f.reads().role(full).await.unwrap().permissions.to_vec();
    let mut longer = held.clone();
    longer[0].push('y');
    let over = app.f.role("over", &texts(&longer)).await;
    let (small, other) = (app.f.role("small", &[]).await, app.f.user());
    let before = app.f.events().await.len();

    let admin = app.f.admin;
    let assignment = |user: UserId, role: RoleId| json!({"user_id": user, "role_id": role});
    let given = "/api/v1/role-assignments";
    let permissions = json!({"permissions": longer});
    for refused in [
        app.post(admin, given, assignment(other, over.id)).await,
        app.post(admin, given, assignment(user, small.id)).await,
        app.post(admin, given, assignment(user, ADMIN_ROLE)).await,
        app.patch(admin, &format!("/api/v1/roles/{full}"), permissions)
            .await,
        app.patch(
            admin,
            &format!("/api/v1/roles/{USER_ROLE}"),
            json!({"permissions": ["e:e"]}),
        )
        .await,
    ] {
        assert_eq!(refused.problem(), (422, "role.too-many-permissions"));
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(&room.to_string()), "{detail}");
    }
    assert_eq!(app.f.events().await.len(), before);
    assert_eq!(app.f.assignments_of(user).await.len(), 1);
    assert!(app.f.assignments_of(other).await.is_empty());
    let still = app.f.reads().role(full).await.unwrap().permissions.to_vec();
    assert_eq!(still, held);
    // What fits is let in.
    let fits = app.post(admin, given, assignment(other, full)).await;
    assert_eq!(fits.status, 201);
}
