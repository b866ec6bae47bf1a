//! Who may be an administrator (SECURITY rule 3): profile reserves before it keeps somebody out, and this service's
//! serial transaction is the arbiter.

use std::time::Duration;

use reqwest::Method;
use role_service::models::{ADMIN_ROLE, RoleError, admin_grant_flow::grant, standing_flow::set};
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_kernel::{
    AssignmentId, Service, UserId,
    models::{Standing, UserStanding},
};

use crate::{
    service::{Answer, App, credential},
    support::{Fixture, rounds},
};

use Standing::{Active, Inactive, Reserved};

impl Fixture {
    async fn standing(
        &self,
        user: UserId,
        state: Standing,
        sequence: i64,
    ) -> Result<UserStanding, RoleError> {
        let clock = self.clock.clone();
        let standing = UserStanding { state, sequence };
        self.tx(move |conn| set(conn, user, standing, &clock)).await
    }

    async fn grant(&self, user: UserId) -> Result<Option<AssignmentId>, RoleError> {
        let clock = self.clock.clone();
        let by = json!({"operator": {"uid": 0, "name": "root"}});
        self.tx(move |conn| grant(conn, user, &by, &clock)).await
    }
}

const fn of(state: Standing, sequence: i64) -> UserStanding {
    UserStanding { state, sequence }
}

#[rstest]
#[tokio::test]
async fn an_administrator_is_not_reserved_and_who_is_reserved_becomes_none(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let refused = Err(RoleError::IsAdministrator);
    assert_eq!(f.standing(f.admin, Reserved, 2).await, refused, "{backend}");
    let user = f.user();
    for state in [Reserved, Inactive] {
        assert_eq!(f.standing(user, state, 2).await, Ok(of(state, 2)));
        let made = f.assign_as(f.admin, user, ADMIN_ROLE, None).await;
        assert_eq!(made.err(), Some(RoleError::UserInactive), "{backend}");
    }
    // No time frees them: only profile does.
    f.clock.advance(Duration::from_secs(100 * 86_400));
    let made = f.assign_as(f.admin, user, ADMIN_ROLE, None).await;
    assert_eq!(made.err(), Some(RoleError::UserInactive), "{backend}");
    assert_eq!(f.standing(user, Active, 3).await, Ok(of(Active, 3)));
    f.assign(user, ADMIN_ROLE).await;
    assert_eq!(f.standing(user, Reserved, 4).await, refused, "{backend}");
}

#[rstest]
#[tokio::test]
async fn late_and_repeated_messages_change_nothing(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let user = f.user();
    f.standing(user, Reserved, 5).await.unwrap();
    for (late, sequence) in [(Active, 4), (Reserved, 5), (Inactive, 1)] {
        assert_eq!(f.standing(user, late, sequence).await, Ok(of(Reserved, 5)));
    }
    // Withdrawn: the same reservation, arriving again, does not hold.
    assert_eq!(f.standing(user, Active, 5).await, Ok(of(Active, 5)));
    assert_eq!(f.standing(user, Reserved, 5).await, Ok(of(Active, 5)));
    assert_eq!(f.standing(user, Inactive, 5).await, Ok(of(Active, 5)));
    f.assign(user, ADMIN_ROLE).await;
    // What is late is no question any more, so it is no refusal either.
    assert_eq!(f.standing(user, Reserved, 5).await, Ok(of(Active, 5)));
}

/// Somebody suspended by a version that asked nobody, or restored so, is no administrator who counts.
#[rstest]
#[tokio::test]
async fn the_last_administrator_who_can_log_in_stays(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let first = f.administrators().await.remove(0);
    let other = f.user();
    let second = f.assign(other, ADMIN_ROLE).await;
    f.standing(other, Inactive, 2).await.unwrap();
    let refused = Err(RoleError::LastAdministrator);
    assert_eq!(f.unassign_as(f.admin, first.id).await, refused, "{backend}");
    // The suspended one can be removed: the first is left.
    f.unassign_as(f.admin, second.id).await.unwrap();
    assert_eq!(f.unassign_as(f.admin, first.id).await, refused, "{backend}");
    f.standing(other, Active, 3).await.unwrap();
    f.assign(other, ADMIN_ROLE).await;
    f.unassign_as(f.admin, first.id).await.unwrap();
}

/// The assignment of `admin` and the reservation of the same user at the same moment: one of them is refused.
#[rstest]
#[tokio::test]
async fn of_an_assignment_and_a_reservation_at_once_one_wins(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let mut wins = [0; 2];
    for round in 0..rounds() {
        let user = f.user();
        let (made, reserved) = tokio::join!(
            f.assign_as(f.admin, user, ADMIN_ROLE, None),
            f.standing(user, Reserved, 2)
        );
        match (made, reserved) {
            (Ok(_), Err(RoleError::IsAdministrator)) => wins[0] += 1,
            (Err(RoleError::UserInactive), Ok(_)) => wins[1] += 1,
            other => panic!("{backend} round {round}: {other:?}"),
        }
    }
    assert_eq!(wins[0] + wins[1], rounds());
}

#[rstest]
#[tokio::test]
async fn a_grant_on_the_machine_works_whatever_the_state(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::without_administrator(backend).await;
    // No administrator has ever been, and none can be made by the bootstrap afterwards.
    assert!(f.grant(f.admin).await.unwrap().is_some(), "{backend}");
    assert_eq!(f.grant(f.admin).await, Ok(None));
    let another = f.make_first_administrator(f.user()).await;
    assert_eq!(another, Err(RoleError::AdministratorExists));
    // The only one is suspended (an older version let that happen); another suspended user is to help.
    f.standing(f.admin, Inactive, 2).await.unwrap();
    let user = f.user();
    f.standing(user, Inactive, 7).await.unwrap();
    assert!(f.grant(user).await.unwrap().is_some(), "{backend}");
    let access = f.access(user).await;
    assert_eq!(access.permissions, ["*"]);
    // Until profile has told, they do not count as one who can act; then they do.
    let first = f.administrators().await.remove(0);
    let last = f.unassign_as(user, first.id).await.err();
    assert_eq!(last, Some(RoleError::LastAdministrator), "{backend}");
    assert_eq!(f.standing(user, Active, 8).await, Ok(of(Active, 8)));
    let refused = f.standing(user, Reserved, 9).await;
    assert_eq!(refused, Err(RoleError::IsAdministrator));
    // A change under way is waited for, not overruled.
    let third = f.user();
    f.standing(third, Reserved, 2).await.unwrap();
    assert_eq!(f.grant(third).await, Err(RoleError::UserInactive));
    // Who has all the roles one can have becomes administrator, too.
    let full = f.user();
    for n in 0..role_service::models::MAX_ROLES {
        let role = f.role(&format!("r{n}"), &[]).await;
        f.assign(full, role.id).await;
    }
    assert!(f.grant(full).await.unwrap().is_some(), "{backend}");
    let events = f.events().await;
    let granted = events
        .iter()
        .filter(|e| e.data.details.contains_key("operator"));
    assert_eq!(granted.count(), 3, "{backend}");
}

#[rstest]
#[actix_web::test]
async fn the_route_is_profiles_and_says_what_holds(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = App::start(backend).await;
    let user = app.f.user();
    let path = format!("/internal/v1/users/{user}/standing");
    let put = |caller, body: serde_json::Value| {
        Answer::of(app.internal_as(caller, Method::PUT, &path).json(&body))
    };
    let body = json!({"state": "reserved", "sequence": 2});
    for other in Service::ALL {
        if other != Service::Profile {
            let answer = put(other, body.clone()).await;
            assert_eq!(answer.status, 403, "{other}");
        }
    }
    for wrong in [
        json!({"state": "reserved", "sequence": 0}),
        json!({"state": "free", "sequence": 2}),
        json!({"state": "active"}),
        json!({"state": "active", "sequence": 2, "force": true}),
    ] {
        let answer = put(Service::Profile, wrong).await;
        assert_eq!(answer.status, 422);
    }
    let answer = put(Service::Profile, body.clone()).await;
    assert_eq!((answer.status, &answer.body), (200, &body));
    let assign = json!({"user_id": user, "role_id": ADMIN_ROLE});
    let made = app
        .post(app.f.admin, "/api/v1/role-assignments", assign.clone())
        .await;
    assert_eq!(made.problem(), (409, "user.status-conflict"));
    let later = json!({"state": "active", "sequence": 3});
    assert_eq!(put(Service::Profile, later.clone()).await.body, later);
    assert_eq!(put(Service::Profile, body.clone()).await.body, later);

    let admin = format!("/internal/v1/users/{}/standing", app.f.admin);
    let request = app.internal_as(Service::Profile, Method::PUT, &admin);
    let answer = Answer::of(request.json(&body)).await;
    assert_eq!(answer.problem(), (409, "user.is-administrator"));

    // Auth knows of a suspension that this service was not told of.
    let suspended = app.f.user();
    wiremock::Mock::given(wiremock::matchers::path(format!(
        "/internal/v1/credentials/{suspended}"
    )))
    .respond_with(
        wiremock::ResponseTemplate::new(200)
            .set_body_json(credential(&suspended.to_string(), "suspended")),
    )
    .with_priority(1)
    .mount(&app.auth)
    .await;
    let assign = json!({"user_id": suspended, "role_id": ADMIN_ROLE});
    let made = app
        .post(app.f.admin, "/api/v1/role-assignments", assign)
        .await;
    assert_eq!(made.problem(), (409, "user.status-conflict"));
}
