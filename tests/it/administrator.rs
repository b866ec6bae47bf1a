//! The first administrator, and that there is always one (SECURITY rules 3 and 13).

use std::{fs, future::IntoFuture as _, os::unix::fs::PermissionsExt as _, time::Duration};

use end_to_end::{Kind, Options, Person, Platform, eventually};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::{Code, Service};

use crate::audit_log::AuditLog as _;

#[rstest]
#[tokio::test]
async fn the_first_administrator_is_made_once(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let mut platform = Platform::start(kind).await;
    let claims = platform.admin.claims();
    assert_eq!(
        (&claims["roles"], &claims["permissions"]),
        (&json!(["admin", "user"]), &json!(["*"]))
    );
    platform
        .audited("role_assigned", &platform.chief.id.clone())
        .await;

    // Another configuration afterwards is ignored, and said so.
    let other = Person::new();
    let profile = platform.process_mut(Service::Profile);
    profile.set("BOOTSTRAP_ADMIN_EMAIL", &other.email);
    profile.set("BOOTSTRAP_ADMIN_PASSWORD", &other.password);
    platform.secrets.saw("password", &other.password);
    platform.restart(Service::Profile).await;
    platform
        .process(Service::Profile)
        .process()
        .wait_for_line("BOOTSTRAP")
        .await;
    platform
        .client
        .try_log_in(&other.email, &other.password)
        .await
        .must_be(Code::AUTH_INVALID_CREDENTIALS);
    let again = platform.client.log_in(&platform.chief).await;
    assert_eq!(again.user, platform.chief.id);
    let admins = administrators(&platform).await;
    assert_eq!(admins.len(), 1, "{admins:?}");
}

#[rstest]
#[tokio::test]
async fn an_existing_account_is_never_promoted(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    // Somebody was quicker and registered the address that the operator then configures.
    let options = Options::new(kind).without_administrator();
    let options = options
        .set("BOOTSTRAP_ADMIN_EMAIL", "")
        .set("BOOTSTRAP_ADMIN_PASSWORD", "");
    let mut platform = options.start().await;
    if kind == Kind::Standalone {
        // Without configuration standalone makes its own; wait for it.
        let file = platform.folder().join("data/initial-admin-password");
        eventually(Duration::from_secs(30), "an administrator", || async {
            let password = fs::read_to_string(&file).ok()?;
            let answer = platform
                .client
                .try_log_in("admin@localhost", password.trim())
                .await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
    let squatter = platform.client.newcomer().await;
    let intended = Person::password();
    platform.secrets.saw("password", &intended);
    let profile = platform.process_mut(Service::Profile);
    profile.set("BOOTSTRAP_ADMIN_EMAIL", &squatter.email);
    profile.set("BOOTSTRAP_ADMIN_PASSWORD", &intended);
    platform.restart(Service::Profile).await;
    // Whatever becomes of it is over then: standalone has an administrator, the services find the address taken.
    let line = match kind {
        Kind::Standalone => "BOOTSTRAP_* is ignored",
        _ => "no first administrator",
    };
    let process = platform.process(Service::Profile).process();
    process.wait_for_line(line).await;
    let client = &platform.client;
    client
        .try_log_in(&squatter.email, &intended)
        .await
        .must_be(Code::AUTH_INVALID_CREDENTIALS);
    let login = client.log_in(&squatter).await;
    assert_eq!(login.claims()["roles"], json!(["user"]));
}

#[tokio::test]
async fn standalone_makes_its_own_administrator_and_keeps_its_files_private() {
    let options = Options::new(Kind::Standalone).without_administrator();
    let options = options
        .set("BOOTSTRAP_ADMIN_EMAIL", "")
        .set("BOOTSTRAP_ADMIN_PASSWORD", "");
    let mut platform = options.start().await;
    let data = platform.folder().join("data");
    let file = data.join("initial-admin-password");
    let password = fs::read_to_string(&file).unwrap().trim().to_owned();
    platform.secrets.saw("password", &password);
    let login = eventually(
        Duration::from_secs(30),
        "the administrator can log in",
        || async {
            let answer = platform
                .client
                .try_log_in("admin@localhost", &password)
                .await;
            let login = (answer.status == 200).then(|| end_to_end::Login::from_answer(answer))?;
            (login.claims()["permissions"] == json!(["*"])).then_some(login)
        },
    )
    .await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut folders = vec![data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    // The next start finds everything as it was.
    let status = platform.stop(Service::Auth).await;
    assert_eq!(status.code(), Some(0));
    platform.restart(Service::Auth).await;
    let _ = platform
        .client
        .get("/api/v1/users/me")
        .bearer(&login.access)
        .await
        .must(200);
    let _ = platform
        .client
        .try_log_in("admin@localhost", &password)
        .await
        .must(200);
    let output = platform.logs();
    assert!(
        !output.contains(&password),
        "the password was shown to no terminal:\n{output}"
    );
}

/// Ids of all assignments of the role `admin`.
async fn administrators(platform: &Platform) -> Vec<String> {
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let path = format!(
        "/api/v1/role-assignments?limit=100&role_id={}",
        admin_role(platform).await
    );
    let list = client.get(&path).bearer(admin).await.must(200);
    list.items()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn admin_role(platform: &Platform) -> String {
    let roles = platform
        .client
        .get("/api/v1/roles?limit=100")
        .bearer(&platform.admin.access)
        .await;
    let items = roles.must(200).items();
    let is_it = |role: &&Value| role["name"] == "admin";
    items.iter().find(is_it).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[rstest]
#[tokio::test]
async fn there_is_always_an_administrator(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let role = admin_role(&platform).await;
    let first = administrators(&platform).await.remove(0);
    let removal = |id: &str| format!("/api/v1/role-assignments/{id}");
    client
        .delete(&removal(&first))
        .bearer(admin)
        .await
        .must_be(Code::ROLE_LAST_ADMINISTRATOR);

    // An administrator is not suspended or deleted, nor by themselves.
    let path = format!("/api/v1/users/{}", platform.chief.id);
    client
        .delete(&path)
        .bearer(admin)
        .await
        .must_be(Code::USER_IS_ADMINISTRATOR);
    let own = client.post(&format!("{path}/suspend")).bearer(admin).await;
    assert_eq!(own.status, 409, "{own:?}");
    let (second, _) = client.newcomer_in().await;
    let assign = async |token: &str, user: &str| {
        let body = json!({"user_id": user, "role_id": role});
        let made = client
            .post("/api/v1/role-assignments")
            .bearer(token)
            .json(&body)
            .await;
        made.must(201).text("id")
    };
    let mut assignments = [first, assign(admin, &second.id).await];
    let path = format!("/api/v1/users/{}/suspend", second.id);
    client
        .post(&path)
        .bearer(admin)
        .await
        .must_be(Code::USER_IS_ADMINISTRATOR);
    let path = format!("/api/v1/users/{}", second.id);
    client
        .delete(&path)
        .bearer(admin)
        .await
        .must_be(Code::USER_IS_ADMINISTRATOR);

    // Two administrators remove each other at the same moment: one is left.
    let people = [platform.chief.clone(), second];
    let mut logins = [
        client.log_in(&people[0]).await,
        client.log_in(&people[1]).await,
    ];
    for round in 0..50 {
        let remove = |by: usize, which: usize| {
            client
                .delete(&removal(&assignments[which]))
                .bearer(&logins[by].access)
        };
        let (a, b) = tokio::join!(remove(0, 1).into_future(), remove(1, 0).into_future());
        let removed = [b.status == 204, a.status == 204];
        assert!(
            removed.contains(&true),
            "round {round}: nobody could: {a:?}\n{b:?}"
        );
        assert!(
            removed.contains(&false),
            "round {round}: no administrator is left"
        );
        let lost = usize::from(removed[1]);
        let left = 1 - lost;
        assignments[lost] = assign(&logins[left].access, &people[lost].id).await;
        logins[lost] = client.refresh(&logins[lost]).await;
    }
}

/// Who is suspended is made no administrator, so the one there is cannot leave the platform to somebody who cannot log in.
#[rstest]
#[tokio::test]
async fn an_administrator_is_somebody_who_can_log_in(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let role = admin_role(&platform).await;
    let first = administrators(&platform).await.remove(0);
    let (other, _) = client.newcomer_in().await;
    let path = format!("/api/v1/users/{}", other.id);
    let _ = client
        .post(&format!("{path}/suspend"))
        .bearer(admin)
        .await
        .must(200);
    let assign = || {
        let body = json!({"user_id": other.id, "role_id": role});
        let request = client.post("/api/v1/role-assignments").bearer(admin);
        request.json(&body)
    };
    assign().await.must_be(Code::USER_STATUS_CONFLICT);
    let removal = format!("/api/v1/role-assignments/{first}");
    client
        .delete(&removal)
        .bearer(admin)
        .await
        .must_be(Code::ROLE_LAST_ADMINISTRATOR);
    let _ = client
        .post(&format!("{path}/reactivate"))
        .bearer(admin)
        .await
        .must(200);
    let _ = assign().await.must(201);
    let _ = client.delete(&removal).bearer(admin).await.must(204);
    let left = client.log_in(&other).await;
    assert_eq!(left.claims()["permissions"], json!(["*"]));
    // And there is no way out for the one who is left.
    for answer in [
        client.delete(&path).bearer(&left.access).await,
        client
            .post(&format!("{path}/suspend"))
            .bearer(&left.access)
            .await,
    ] {
        assert_eq!(answer.status, 409, "{answer:?}");
    }
}
