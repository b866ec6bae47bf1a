//! Role names are rights: back ends behind the gateway decide by `X-User-Roles` (SECURITY rule 1).

use std::time::Duration;

use end_to_end::{Answer, Kind, Login, Platform};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::{Clock, Code};

use crate::escalation::holder;

const ASSIGNMENTS: &str = "/api/v1/role-assignments";

/// What back ends are told of the roles behind `login`.
async fn told(platform: &Platform, login: &Login) -> String {
    let validate = platform.client.get("/api/v1/auth/validate");
    let valid = validate.bearer(&login.access).await.must(200);
    valid.header("x-user-roles").unwrap()
}

async fn post(platform: &Platform, login: &Login, path: &str, body: Value) -> Answer {
    let call = platform.client.post(path).bearer(&login.access);
    call.json(&body).await
}

#[rstest]
#[tokio::test]
async fn a_role_name_is_given_by_those_who_have_it_or_may_grant(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let (client, admin) = (&platform.client, &platform.admin);
    let both = ["roles:read", "roles:write", "role-assignments:write"];
    let (clerk, login, _) = holder(&platform, "namesake", &both).await;
    // As much as the clerk, or the clerk would be somebody who holds more.
    let may_grant = [
        "roles:read",
        "roles:write",
        "role-assignments:write",
        "roles:grant",
    ];
    let (_, granter, _) = holder(&platform, "granter", &may_grant).await;
    let make = |login, name| {
        let body = json!({"name": name, "permissions": []});
        let platform = &platform;
        async move {
            post(platform, login, "/api/v1/roles", body)
                .await
                .must(201)
                .text("id")
        }
    };
    let shop = make(admin, "shop-admin").await;
    let give = |user: &str, role: &str| json!({"user_id": user, "role_id": role});

    // A role without permissions is a right all the same: the clerk neither takes it nor invents one.
    let taken = post(&platform, &login, ASSIGNMENTS, give(&clerk.id, &shop)).await;
    taken.must_be(Code::ROLE_ESCALATION);
    let invented = make(&login, "superuser").await;
    let taken = post(&platform, &login, ASSIGNMENTS, give(&clerk.id, &invented)).await;
    taken.must_be(Code::ROLE_ESCALATION);
    let (friend, friends) = client.newcomer_in().await;
    let given = post(&platform, &login, ASSIGNMENTS, give(&friend.id, &shop)).await;
    given.must_be(Code::ROLE_ESCALATION);
    assert_eq!(told(&platform, &login).await, "namesake,user");
    let login = client.log_in(&clerk).await;
    assert_eq!(told(&platform, &login).await, "namesake,user");
    assert_eq!(told(&platform, &friends).await, "user");

    // A holder of `roles:grant` gives both; no permission comes with that.
    for role in [&shop, &invented] {
        let given = post(&platform, &granter, ASSIGNMENTS, give(&clerk.id, role)).await;
        let _ = given.must(201);
    }
    let login = client.refresh(&login).await;
    assert_eq!(
        told(&platform, &login).await,
        "namesake,shop-admin,superuser,user"
    );
    assert_eq!(
        login.claims()["permissions"],
        json!(["role-assignments:write", "roles:read", "roles:write"])
    );
    let strong = json!({"name": "stronger", "permissions": ["users:delete"]});
    let strong = post(&platform, admin, "/api/v1/roles", strong)
        .await
        .must(201)
        .text("id");
    let given = post(&platform, &granter, ASSIGNMENTS, give(&clerk.id, &strong)).await;
    given.must_be(Code::ROLE_ESCALATION);

    // Now the clerk has the name, and hands it on; not to somebody who holds more, nor for longer.
    let given = post(&platform, &login, ASSIGNMENTS, give(&friend.id, &shop)).await;
    let _ = given.must(201);
    let friends = client.refresh(&friends).await;
    assert_eq!(told(&platform, &friends).await, "shop-admin,user");
    let given = post(
        &platform,
        &login,
        ASSIGNMENTS,
        give(&platform.chief.id, &shop),
    )
    .await;
    given.must_be(Code::USER_TARGET_HOLDS_MORE);
    let helper = make(admin, "helper").await;
    let end = Clock::system().now().plus(Duration::from_secs(3600));
    let mut lent = give(&clerk.id, &helper);
    lent["expires_at"] = json!(end.to_string());
    let _ = post(&platform, admin, ASSIGNMENTS, lent).await.must(201);
    let forever = post(&platform, &login, ASSIGNMENTS, give(&friend.id, &helper)).await;
    forever.must_be(Code::ROLE_OUTLIVES_GRANTOR);
    assert_eq!(forever.pointers(), ["/expires_at"]);
    let mut lent = give(&friend.id, &helper);
    lent["expires_at"] = json!(end.to_string());
    let _ = post(&platform, &login, ASSIGNMENTS, lent).await.must(201);
    let friends = client.refresh(&friends).await;
    assert_eq!(told(&platform, &friends).await, "helper,shop-admin,user");
}
