//! Rubbish is refused with the right problem, and nothing of it is stored.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::Backend;

use crate::service::{AUDITS, Answer, Running, body};

const INVALID: (u16, &str) = (422, "request.validation-failed");
const MALFORMED: (u16, &str) = (400, "request.malformed");
const UNTYPED: (u16, &str) = (415, "request.unsupported-media-type");
const PARAMETER: (u16, &str) = (400, "request.invalid-parameter");
const CURSOR: (u16, &str) = (400, "request.invalid-cursor");

/// `body` with another `member`.
fn with(member: &str, value: Value) -> String {
    let mut body = body();
    body[member] = value;
    body.to_string()
}

fn without(member: &str) -> String {
    let mut body = body();
    body.as_object_mut().unwrap().remove(member);
    body.to_string()
}

fn bodies() -> Vec<(String, (u16, &'static str))> {
    let mut cases: Vec<_> = ["", "{", "x", "{\"action\":\"\\ud800\"}", "{'a':1}"]
        .map(|text| (text.to_owned(), MALFORMED))
        .into();
    cases.extend(["null", "[]", "1", "\"x\"", "{}"].map(|text| (text.to_owned(), INVALID)));
    cases.extend(["action", "target_type", "target_id", "outcome"].map(|m| (without(m), INVALID)));
    let long = |count: usize| json!("a".repeat(count));
    let values: &[(&str, Vec<Value>)] = &[
        (
            "action",
            vec![
                json!(1),
                json!(null),
                json!(""),
                json!("Order"),
                json!("1a"),
                json!("a b"),
                json!("ä"),
                json!("a\u{0}"),
                json!("a\n"),
                long(65),
            ],
        ),
        (
            "actor_id",
            vec![
                json!(1),
                json!(""),
                json!("me"),
                json!({}),
                json!("00000000000000000000000000000000"),
            ],
        ),
        (
            "target_type",
            vec![
                json!([]),
                json!(null),
                json!(""),
                json!("a\u{7f}"),
                json!("\u{202E}a"),
                long(65),
            ],
        ),
        (
            "target_id",
            vec![
                json!({}),
                json!(1.5),
                json!(""),
                json!("\u{0}"),
                json!("a\tb"),
                json!("\u{85}"),
                long(129),
            ],
        ),
        (
            "outcome",
            vec![
                json!("Success"),
                json!("unknown"),
                json!(true),
                json!(null),
                json!({"success": null}),
            ],
        ),
        (
            "metadata",
            vec![
                json!([]),
                json!("x"),
                json!(1),
                json!({"a": "x".repeat(16 * 1024)}),
                json!({"a": vec!["\u{1}"; 4000]}),
                json!({"n": 9_007_199_254_740_992_u64}),
                json!({"n": [{"n": i64::MIN}]}),
            ],
        ),
        ("colour", vec![json!(null), json!("red")]),
        ("__proto__", vec![json!({})]),
    ];
    for (member, values) in values {
        cases.extend(values.iter().map(|v| (with(member, v.clone()), INVALID)));
    }
    let twice = body().to_string().replacen('{', r#"{"action":"x","#, 1);
    cases.push((twice, INVALID));
    for metadata in [r#"{"a":1,"a":1}"#, r#"{"a":[{"b":1,"\u0062":2}]}"#] {
        let text = with("metadata", json!("@")).replace("\"@\"", metadata);
        cases.push((text, INVALID));
    }
    cases.push((body().to_string() + "x", MALFORMED));
    cases.push((body().to_string() + "{}", MALFORMED));
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    cases.push((
        with("metadata", json!(0)).replace(":0", &format!(":{deep}")),
        MALFORMED,
    ));
    let huge = with("metadata", json!(0)).replace(":0", r#":{"n":1e999}"#);
    cases.push((huge, MALFORMED));
    cases
}

#[rstest]
#[tokio::test]
async fn bad_bodies(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let (_, token) = app.writer();
    for (text, (status, code)) in bodies() {
        let request = app
            .call(Method::POST, AUDITS, &token)
            .header("content-type", "application/json");
        let answer = Answer::of(request.body(text.clone())).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{text:.300} {}",
            answer.body
        );
        answer.is(status, code);
    }
    let invalid_utf8 = app
        .call(Method::POST, AUDITS, &token)
        .header("content-type", "application/json")
        .body(&b"{\"action\":\"\xff\"}"[..]);
    Answer::of(invalid_utf8).await.is(MALFORMED.0, MALFORMED.1);
    assert!(app.log().await.is_empty(), "{}", app.database.backend);
}

#[rstest]
#[tokio::test]
async fn bad_headers_and_sizes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let (_, token) = app.writer();
    let post = || app.call(Method::POST, AUDITS, &token);
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/cloudevents-batch+json",
        "rubbish",
    ] {
        let mut request = post().body(body().to_string());
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        Answer::of(request).await.is(UNTYPED.0, UNTYPED.1);
    }
    for size in [64 * 1024 + 1, 128 * 1024] {
        let large = with("metadata", json!({"a": "x".repeat(size)}));
        let request = post().header("content-type", "application/json");
        let answer = Answer::of(request.body(large)).await;
        answer.is(413, "request.body-too-large");
    }
    for key in [
        "",
        "short",
        &"k".repeat(65),
        "sixteen chars and a blank",
        "kkkkkkkkkkkkkkkkkkké",
    ] {
        let answer = Answer::of(
            post()
                .json(&body())
                .header("idempotency-key", key.as_bytes()),
        )
        .await;
        answer.is(400, "request.idempotency-key-invalid");
    }
    let twice = post()
        .json(&body())
        .header("idempotency-key", "k".repeat(16))
        .header("idempotency-key", "l".repeat(16));
    Answer::of(twice)
        .await
        .is(400, "request.idempotency-key-invalid");
    assert!(app.log().await.is_empty(), "{}", app.database.backend);
}

#[rstest]
#[tokio::test]
async fn bad_parameters(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let long = "a".repeat(129);
    let cases = [
        ("limit=0", PARAMETER),
        ("limit=201", PARAMETER),
        ("limit=-1", PARAMETER),
        ("limit=65536", PARAMETER),
        ("limit=ten", PARAMETER),
        ("limit=", PARAMETER),
        ("limit=1&limit=2", PARAMETER),
        ("limit=1.0", PARAMETER),
        ("page=1", PARAMETER),
        ("actor_id=", PARAMETER),
        ("actor_id=me", PARAMETER),
        ("actor_id=%00", PARAMETER),
        ("actor_id=00000000000000000000000000000000", PARAMETER),
        ("target_id=", PARAMETER),
        ("target_id=%00", PARAMETER),
        ("target_id=a%0Ab", PARAMETER),
        ("action=", PARAMETER),
        ("action=a%00", PARAMETER),
        ("from=", PARAMETER),
        ("from=now", PARAMETER),
        ("from=2024-01-01", PARAMETER),
        ("from=1704067200", PARAMETER),
        ("from=2024-13-01T00:00:00Z", PARAMETER),
        ("from=2024-01-01T00:00:00", PARAMETER),
        ("from=0000-01-01T00:00:00Z", PARAMETER),
        ("to=0999-12-31T23:59:59.999Z", PARAMETER),
        ("to=9999-12-31T23:59:59-23:59", PARAMETER),
        ("to=2024-01-01T00:00:00%00Z", PARAMETER),
        ("cursor=", CURSOR),
        ("cursor=x", CURSOR),
        ("cursor=%00", CURSOR),
        ("cursor=AAAA", CURSOR),
        // {"seq":1}, "1", 1.5, [1], 10^30
        ("cursor=eyJzZXEiOjF9", CURSOR),
        ("cursor=IjEi", CURSOR),
        ("cursor=MS41", CURSOR),
        ("cursor=WzFd", CURSOR),
        ("cursor=MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA", CURSOR),
    ];
    let app = Running::on(backend).await;
    for token in [app.reader(), app.writer().1] {
        for (query, (status, code)) in cases {
            let answer = app.get(&format!("{AUDITS}?{query}"), &token).await;
            assert_eq!(answer.status, status, "{query}");
            answer.is(status, code);
        }
        for name in ["target_id", "action", "cursor"] {
            let answer = app.get(&format!("{AUDITS}?{name}={long}"), &token).await;
            assert_eq!(answer.status, 400, "{name}");
        }
        let long = format!("{AUDITS}?cursor={}", "A".repeat(4000));
        app.get(&long, &token).await.is(CURSOR.0, CURSOR.1);
        for id in ["x", "me", "0", "%00", "00000000000000000000000000000000"] {
            let answer = app.get(&format!("{AUDITS}/{id}"), &token).await;
            assert_eq!(answer.status, 400, "{id}");
        }
    }
    // At the edges of what is good.
    let reader = app.reader();
    let longest = format!("target_id={}", "%C3%A9".repeat(128));
    for query in [
        "limit=1",
        "limit=200",
        "from=1000-01-01T00:00:00Z&to=9999-12-31T23:59:59.999Z",
        "from=9999-12-31T23:59:59.999Z&to=1000-01-01T00:00:00Z",
        // i64::MIN, -1
        "cursor=LTkyMjMzNzIwMzY4NTQ3NzU4MDg",
        "cursor=LTE",
        "target_id=%FF",
        "target_id=%27%20OR%201%3D1%20--",
        &longest,
    ] {
        let answer = app.get(&format!("{AUDITS}?{query}"), &reader).await;
        assert_eq!(
            answer.status, 200,
            "{query} {} {}",
            answer.body, app.database.backend
        );
    }
}

#[rstest]
#[tokio::test]
async fn the_limits_themselves_are_taken(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let (_, token) = app.writer();
    let asked = json!({
        "action": format!("a{}", "z".repeat(63)),
        "actor_id": null,
        "target_type": "é".repeat(64),
        "target_id": "\u{1F512}".repeat(128),
        "outcome": "failure",
        "metadata": {"a": "x".repeat(16 * 1024 - 8), "\u{0}": 0},
    });
    let answer = app.post(&token, &asked).await;
    answer.is(422, "request.validation-failed");
    let mut asked = asked;
    asked["metadata"] = json!({"a": "x".repeat(16 * 1024 - 8)});
    let answer = app.post(&token, &asked).await;
    assert_eq!(
        answer.status, 201,
        "{} {}",
        app.database.backend, answer.body
    );
    for member in ["action", "target_type", "target_id", "outcome", "metadata"] {
        assert_eq!(answer.body[member], asked[member]);
    }
    // The largest in canonical form is twelve times what it was as sent, and fits too.
    let mut grown = body();
    grown["metadata"] = json!({"a": vec!["\u{1}"; 1000], "n": vec![1e20; 200]});
    let answer = app.post(&token, &grown).await;
    assert_eq!(
        answer.status, 201,
        "{} {}",
        app.database.backend, answer.body
    );
    assert_eq!(answer.body["metadata"]["a"], grown["metadata"]["a"]);
}
