//! What a browser is told (SECURITY rule 27), and what an operator reads.

use end_to_end::{Answer, Kind, Login, OWN, Options, Platform};
use rstest::rstest;
use ud_kernel::Service;

const ORIGIN: &str = "https://app.example.com";

fn allowed_origin(answer: &Answer) -> Option<String> {
    answer.header("access-control-allow-origin")
}

#[rstest]
#[tokio::test]
async fn no_origin_is_allowed_unless_listed(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    for (_, path) in OWN {
        let call = platform.client.get(path).bearer(&platform.admin.access);
        let answer = call.header("origin", ORIGIN).await.must(200);
        assert_eq!(allowed_origin(&answer), None, "{answer:?}");
        let preflight = platform.client.call("OPTIONS", path);
        let preflight = preflight
            .header("origin", ORIGIN)
            .header("access-control-request-method", "GET")
            .await;
        assert_eq!(allowed_origin(&preflight), None, "{preflight:?}");
    }

    let options = Options::new(kind).set("CORS_ALLOWED_ORIGINS", ORIGIN);
    let platform = options.start().await;
    for (_, path) in OWN {
        let read = |origin: &str| {
            let call = platform.client.get(path).bearer(&platform.admin.access);
            call.header("origin", origin)
        };
        let answer = read(ORIGIN).await.must(200);
        assert_eq!(
            allowed_origin(&answer).as_deref(),
            Some(ORIGIN),
            "{answer:?}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        for other in [
            "https://evil.example.com",
            "https://app.example.com.evil.com",
            "null",
        ] {
            let answer = read(other).unchecked().await;
            assert_eq!(allowed_origin(&answer), None, "{other}: {answer:?}");
        }
        let preflight = platform.client.call("OPTIONS", path);
        let preflight = preflight
            .header("origin", ORIGIN)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization")
            .await;
        assert!((200..300).contains(&preflight.status), "{preflight:?}");
        assert_eq!(
            allowed_origin(&preflight).as_deref(),
            Some(ORIGIN),
            "{preflight:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn metrics_count_and_name_nobody(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let (person, login) = platform.client.newcomer_in().await;
    platform.accepted_everywhere(&login.access).await;
    for service in Service::ALL {
        let ready = platform.directory.of(service).ready;
        let url = ready.replace("/readyz", "/metrics");
        let (status, metrics) = testkit::http_get(&url).await.unwrap();
        assert_eq!(status, 200);
        assert!(
            metrics.contains("http_server_request_duration_seconds"),
            "{metrics}"
        );
        let label = format!("service=\"{service}\"");
        assert!(metrics.contains(&label), "{label} in {metrics}");
        let found = platform.secrets.found_in(&metrics);
        assert!(found.is_empty(), "{found:?}");
        for secret in [&person.id, &login.session, &platform.chief.id] {
            assert!(!metrics.contains(secret.as_str()), "{secret} in {metrics}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn even_the_most_talkative_log_keeps_secrets(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let options = Options::new(kind)
        .set("LOG_LEVEL", "debug")
        .set("LOG_FORMAT", "text");
    let platform = options.start().await;
    let client = &platform.client;
    let (person, login) = client.newcomer_in().await;
    let _ = client
        .try_log_in(&person.email, "wrong wrong wrong wrong")
        .await
        .must(401);
    let body = serde_json::json!({"given_name": "Wilhelmina", "family_name": "Zumthor-Ammann"});
    let path = format!("/api/v1/users/{}", person.id);
    let _ = client
        .patch(&path)
        .bearer(&login.access)
        .json(&body)
        .await
        .must(200);
    let _ = client
        .post("/api/v1/users")
        .json(&person.registration())
        .await
        .must(409);
    let admin = platform.admin.access.as_str();
    let body = serde_json::json!({"email": person.email});
    let _ = client
        .post("/api/v1/users/search")
        .bearer(admin)
        .json(&body)
        .await
        .must(200);
    let next = client.refresh(&login).await;
    let again = client.reauthenticate(&next, &person.password).await;
    let next = Login::from_answer(again.must(200));
    let new = end_to_end::Person::password();
    let change = client.change_password(&next, &person.password, &new);
    let next = Login::from_answer(change.await.must(200));
    let odd = format!("/api/v1/users?text={}", person.email);
    let _ = client.get(&odd).bearer(&next.access).await.must(400);
    assert!(platform.secrets.count() > 10);
}
