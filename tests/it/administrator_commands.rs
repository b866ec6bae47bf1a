//! What an operator does about accounts on the machine itself: `admin reset`, `unlock`, `admin grant` and
//! `admin reactivate` (SECURITY rules 3 and 13).

use std::time::{Duration, Instant};

use end_to_end::{Kind, Platform, eventually};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::{Code, Service};

/// How long it may take until the relay looks for events that nobody told it of.
const RELAY_LOOKS: Duration = Duration::from_secs(2);

#[rstest]
#[tokio::test]
async fn a_lost_password_is_reset_on_the_machine(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let chief = &platform.chief;
    let process = platform.process(Service::Auth);
    let reset = ["admin", "reset", "nobody@example.com"];
    let (code, output) = process.run_on_a_terminal(&reset).await;
    assert!(code.is_some_and(|code| code != 0), "{output}");
    assert!(output.contains("no account"), "{output}");
    // Into a file, a pipe or a log nothing is written, and nothing is changed.
    for command in [
        vec!["admin", "reset", &chief.email],
        vec!["unlock", &chief.email],
    ] {
        let (code, output) = process.run(&command).await;
        assert!(code.is_some_and(|code| code != 0), "{output}");
        assert!(output.contains("not a terminal"), "{output}");
        assert!(!output.contains(&chief.id), "{output}");
    }
    let client = &platform.client;
    let _ = client
        .try_log_in(&chief.email, &chief.password)
        .await
        .must(200);

    let reset = ["admin", "reset", &chief.email];
    let (code, output) = process.run_on_a_terminal(&reset).await;
    assert_eq!(code, Some(0), "{output}");
    let password = output
        .lines()
        .find_map(|line| line.strip_prefix(&format!("New password of user {}: ", chief.id)))
        .unwrap_or_else(|| panic!("no password in\n{output}"));
    platform.secrets.saw("password", password);

    // Another process wrote the events: the running one finds them when it looks.
    let since = Instant::now() + RELAY_LOOKS;
    let old = &platform.admin.access;
    platform
        .refused_everywhere(old, since, &[Code::AUTH_SESSION_CLOSED])
        .await;
    client
        .try_log_in(&chief.email, &chief.password)
        .await
        .must_be(Code::AUTH_INVALID_CREDENTIALS);
    let answer = client.try_log_in(&chief.email, password).await.must(200);
    let admin = end_to_end::Login::from_answer(answer);
    assert_eq!(admin.claims()["permissions"], json!(["*"]));
    let path = format!(
        "/api/v1/audits?action=password_reset&target_id={}",
        chief.id
    );
    let record = eventually(Duration::from_secs(10), "the reset is audited", || async {
        let page = client.get(&path).bearer(&admin.access).await.must(200);
        page.items().into_iter().next()
    })
    .await;
    assert_eq!(record["actor_id"], Value::Null, "{record}");
    let operator = &record["metadata"]["details"]["operator"];
    assert!(operator["uid"].is_u64(), "{record}");

    let nobody = ["unlock", "nobody@example.com"];
    let (code, output) = process.run_on_a_terminal(&nobody).await;
    assert!(code.is_some_and(|code| code != 0), "{output}");
    let (code, output) = process.run_on_a_terminal(&["unlock", &chief.email]).await;
    assert_eq!(code, Some(0), "{output}");
    let begin = format!("Unlock code of user {}, for 10 minutes: ", chief.id);
    let unlock_code = output.lines().find_map(|line| line.strip_prefix(&begin));
    let unlock_code = unlock_code.unwrap_or_else(|| panic!("no code in\n{output}"));
    let body = json!({"identifier": chief.email, "password": password, "unlock_code": unlock_code});
    let login = client.post("/api/v1/auth/login").json(&body);
    let _ = login.await.must(200);
}
/// The commands on the machine make an administrator of a suspended user without a role, while the platform runs.
#[rstest]
#[tokio::test]
async fn the_machine_leads_back_in(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let (client, admin) = (&platform.client, platform.admin.access.as_str());
    let (other, _) = client.newcomer_in().await;
    let path = format!("/api/v1/users/{}/suspend", other.id);
    let _ = client.post(&path).bearer(admin).await.must(200);
    let run = async |service: Service, arguments: &[&str]| {
        let process = platform.process(service);
        let (code, output) = process.run_on_a_terminal(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {output}");
        output
    };
    let output = if kind == Kind::Standalone {
        run(Service::Auth, &["admin", "grant", &other.email]).await
    } else {
        let told = run(Service::Profile, &["admin", "reactivate", &other.email]).await;
        assert!(told.contains(&other.id), "{told}");
        let reset = ["admin", "reset", "--reactivate", &other.email];
        let output = run(Service::Auth, &reset).await;
        run(Service::Role, &["admin", "grant", &other.id]).await;
        output
    };
    let password = output
        .lines()
        .find_map(|line| line.strip_prefix(&format!("New password of user {}: ", other.id)))
        .unwrap_or_else(|| panic!("no password in\n{output}"));
    platform.secrets.saw("password", password);
    // Profile's event and auth's command may come to auth in either order.
    let login = eventually(Duration::from_secs(30), "the user logs in", || async {
        let answer = client.try_log_in(&other.email, password).await;
        (answer.status == 200).then(|| end_to_end::Login::from_answer(answer))
    })
    .await;
    assert_eq!(login.claims()["permissions"], json!(["*"]));
    for action in ["user_reactivated", "password_reset", "role_assigned"] {
        let path = format!("/api/v1/audits?action={action}&target_id={}", other.id);
        let record = eventually(Duration::from_secs(10), action, || async {
            let page = client.get(&path).bearer(&login.access).await.must(200);
            page.items().into_iter().next()
        })
        .await;
        let operator = &record["metadata"]["details"]["operator"];
        assert!(operator["uid"].is_u64(), "{record}");
        assert_eq!(record["actor_id"], Value::Null, "{record}");
    }
    // Nobody else became anything, and a mistake says so.
    let (code, output) = platform
        .process(Service::Profile)
        .run_on_a_terminal(&[
            "admin",
            if kind == Kind::Standalone {
                "grant"
            } else {
                "reactivate"
            },
            "nobody@example.com",
        ])
        .await;
    assert!(code.is_some_and(|code| code != 0), "{output}");
    assert!(output.contains("no user"), "{output}");
}
