//! Limits in handlers' types (SECURITY rule 26).

use reqwest::StatusCode;
use serde_json::Value;
use ud_kernel::{UserId, models::Provenance};

use crate::service::{Running, start};

const COUNTED: &str = "/api/v1/things/counted";
const BY_ADDRESS: &str = "/api/v1/things/by-address";

async fn post(service: &Running, path: &str, token: &str) -> StatusCode {
    let request = service.http.post(service.url(path)).bearer_auth(token);
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_caller_is_counted_by_user_once_they_were_let_in() {
    let mut service = start(|_| {}).await;
    let (one, other) = (
        UserId::new(service.clock.now()),
        UserId::new(service.clock.now()),
    );
    let powerless = service.token(one, &[]);
    for _ in 0..5 {
        assert_eq!(post(&service, COUNTED, "no token").await, 401);
        assert_eq!(post(&service, COUNTED, &powerless).await, 403);
    }
    while service.security_events.try_recv().is_some() {}
    // Another session of the same user is the same user.
    for expected in [204, 204, 429, 429] {
        let token = service.token(one, &["roles:write"]);
        assert_eq!(post(&service, COUNTED, &token).await, expected);
    }
    let token = service.token(other, &["roles:write"]);
    assert_eq!(post(&service, COUNTED, &token).await, 204);

    let noted = service.security_events.try_recv().unwrap().event;
    let about = (noted.kind, noted.target_type, noted.target_id.as_str());
    let operation = "POST /api/v1/things/counted";
    assert_eq!(
        about,
        (ud_kernel::EventType::RATE_LIMITED, "operation", operation)
    );
    let Provenance { actor_id, ip, .. } = noted.origin;
    assert_eq!((actor_id, ip.as_deref()), (Some(one), Some("127.0.0.1")));
}

#[tokio::test]
async fn a_stranger_is_counted_by_source_and_for_what_could_be_read() {
    let trusting = |http: &mut ud_config::HttpConfig| {
        http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    };
    let mut service = start(trusting).await;
    let send = async |from: &str, body: &'static str| {
        let request = service.http.post(service.url(BY_ADDRESS));
        let request = request
            .header("content-type", "application/json")
            .header("x-forwarded-for", from)
            .body(body);
        let answer = request.send().await.unwrap();
        let wait = answer.headers().get("retry-after").cloned();
        let wait = wait.map(|w| w.to_str().unwrap().parse::<u32>().unwrap());
        let status = answer.status().as_u16();
        let body: Option<Value> = answer.json().await.ok();
        (status, wait, body.map(|b| b["code"].clone()))
    };
    for _ in 0..5 {
        assert_eq!(send("2001:db8:1:2::1", "{").await.0, 400, "costs nothing");
    }
    let good = r#"{"name":"a"}"#;
    assert_eq!(send("2001:db8:1:2::1", good).await.0, 204);
    assert_eq!(send("[2001:db8:1:2:9::2]:4711", good).await.0, 204);
    let (status, wait, code) = send("2001:db8:1:2:3::3", good).await;
    assert_eq!((status, code), (429, Some("request.rate-limited".into())));
    assert!((1..=30).contains(&wait.unwrap()), "{wait:?}");
    assert_eq!(send("2001:db8:1:3::1", good).await.0, 204);
    let noted = service.security_events.try_recv().unwrap().event;
    assert_eq!(noted.origin.ip.as_deref(), Some("2001:db8:1:2:3::3"));
    assert_eq!(noted.origin.actor_id, None);
}

#[tokio::test]
async fn an_operation_whose_limit_is_missing_is_closed() {
    let service = start(|_| {}).await;
    let token = service.token(UserId::new(service.clock.now()), &[]);
    assert_eq!(
        post(&service, "/api/v1/things/uncountable", &token).await,
        500
    );
}
