//! Nothing tells whether an account, a session, a record exists (SECURITY rule 12).

use end_to_end::{Answer, Kind, Person, Platform};
use rstest::rstest;
use serde_json::Value;
use ud_kernel::{Clock, UserId};

/// The whole answer but for what differs between any two requests.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let mut body = answer.json();
    let members = body.as_object_mut().expect("a problem");
    let _ = (members.remove("request_id"), members.remove("instance"));
    let differs = ["date", "x-request-id", "content-length"];
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !differs.contains(&name.as_str()));
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    headers.sort_unstable();
    (answer.status, headers, body)
}

#[rstest]
#[tokio::test]
async fn a_login_does_not_tell_who_exists(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let admin = platform.admin.access.as_str();
    let active = client.newcomer().await;
    let suspended = client.newcomer().await;
    let path = format!("/api/v1/users/{}/suspend", suspended.id);
    let _ = client.post(&path).bearer(admin).await.must(200);
    let deleted = client.newcomer().await;
    let path = format!("/api/v1/users/{}", deleted.id);
    let _ = client.delete(&path).bearer(admin).await.must(204);
    let stranger = Person::new();

    let wrong = Person::password();
    let long = "x".repeat(2_000);
    let mut answers = Vec::new();
    for (identifier, password) in [
        (stranger.email.as_str(), wrong.as_str()),
        (stranger.username.as_str(), &wrong),
        (&active.email, &wrong),
        (&active.username, &wrong),
        (&suspended.email, &wrong),
        (&deleted.email, &wrong),
        (&deleted.email, &deleted.password),
        (&active.email, &long),
        (&stranger.email, &long),
        ("not an address at all", &wrong),
        ("+41791234567", &wrong),
        (&active.email, ""),
        (&stranger.email, ""),
    ] {
        answers.push((
            identifier.to_owned(),
            client.try_log_in(identifier, password).await,
        ));
    }
    let expected = comparable(&answers[0].1);
    assert_eq!(expected.0, 401);
    for (identifier, answer) in &answers {
        if answer.status != 422 {
            assert_eq!(comparable(answer), expected, "{identifier}");
        }
    }
    // What is refused by its form alone is refused the same for known and unknown.
    let of = |index: usize| comparable(&answers[index].1);
    assert_eq!(of(11), of(12));
    assert_eq!(
        of(7),
        expected,
        "an over-long password is the ordinary 401 (SECURITY 9)"
    );
    assert_eq!(of(8), expected);
}

#[rstest]
#[tokio::test]
async fn what_is_anothers_is_not_there(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    let (_, login) = client.newcomer_in().await;
    let (other, other_login) = client.newcomer_in().await;
    let admin = platform.admin.access.as_str();
    let body = serde_json::json!({"name": "unseen", "permissions": ["orders:read"]});
    let role = client
        .post("/api/v1/roles")
        .bearer(admin)
        .json(&body)
        .await
        .must(201)
        .text("id");
    let body = serde_json::json!({"user_id": other.id, "role_id": role});
    let assignment = client
        .post("/api/v1/role-assignments")
        .bearer(admin)
        .json(&body);
    let assignment = assignment.await.must(201).text("id");
    let records = format!("/api/v1/audits?actor_id={}", other.id);
    let record = end_to_end::eventually(std::time::Duration::from_secs(10), "a record", || async {
        let items = client.get(&records).bearer(admin).await.must(200).items();
        Some(items.first()?["id"].as_str()?.to_owned())
    })
    .await;

    let unknown = UserId::new(Clock::system().now()).to_string();
    for (method, path, id) in [
        ("GET", "/api/v1/users/{id}", &other.id),
        ("PATCH", "/api/v1/users/{id}", &other.id),
        ("DELETE", "/api/v1/users/{id}", &other.id),
        ("GET", "/api/v1/sessions/{id}", &other_login.session),
        ("DELETE", "/api/v1/sessions/{id}", &other_login.session),
        ("GET", "/api/v1/role-assignments/{id}", &assignment),
        ("GET", "/api/v1/audits/{id}", &record),
    ] {
        let call = async |id: &str| {
            let call = client
                .call(method, &path.replace("{id}", id))
                .bearer(&login.access);
            if method == "PATCH" {
                return call.json(&serde_json::json!({"given_name": "X"})).await;
            }
            call.await
        };
        let (foreign, missing) = (call(id).await, call(&unknown).await);
        assert_eq!(foreign.status, 404, "{foreign:?}");
        assert_eq!(
            comparable(&foreign),
            comparable(&missing),
            "{method} {path}"
        );
    }
    platform.accepted_everywhere(&other_login.access).await;
}
