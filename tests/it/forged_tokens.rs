//! Access tokens that were not issued, or not like this (SECURITY rules 14 and 15).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use end_to_end::{Kind, OWN, Platform, claims_of};
use rstest::rstest;
use serde_json::{Value, json};
use testkit::TestIssuer;
use ud_kernel::{Clock, Code};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// What is wrong, and a token that has it, made from a good one.
fn forgeries(good: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        format!("{}.{body}.{signature}", encode(&header))
    };
    let claiming = |name: &str, value: Value| {
        let mut claims = claims_of(good);
        claims[name] = value;
        format!("{head}.{}.{signature}", encode(&claims))
    };
    let unsigned = json!({"alg": "none", "typ": "at+jwt", "kid": header["kid"]});
    vec![
        ("alg none", format!("{}.{body}.", encode(&unsigned))),
        (
            "alg none, with a signature",
            format!("{}.{body}.{signature}", encode(&unsigned)),
        ),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.{signature}")),
        ("a shared secret", with("alg", json!("HS256"))),
        ("another type", with("typ", json!("JWT"))),
        ("a service's type", with("typ", json!("service+jwt"))),
        ("another key", with("kid", json!("another"))),
        ("crit", with("crit", json!(["exp"]))),
        ("its own key", with("jwk", json!({"kty": "OKP"}))),
        (
            "its own address of keys",
            with("jku", json!("http://127.0.0.1/jwks.json")),
        ),
        ("more rights", claiming("permissions", json!(["*"]))),
        ("more roles", claiming("roles", json!(["admin", "user"]))),
        ("a longer life", claiming("exp", json!(4_102_444_800_i64))),
        ("padding", format!("{head}.{body}.{signature}=")),
        (
            "too long",
            format!("{head}.{body}.{signature}{}", "A".repeat(9_000)),
        ),
    ]
}

#[rstest]
#[tokio::test]
async fn no_service_takes_a_forged_token(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let (_, login) = platform.client.newcomer_in().await;
    let mut tokens = forgeries(&login.access);
    let user = login.user.parse().unwrap();
    let stranger = TestIssuer::new(Clock::system());
    tokens.push((
        "another issuer's key",
        stranger.token(user, &["*"], &["admin", "user"]),
    ));
    let mut claims = stranger.claims(user, &["*"], &["admin", "user"]);
    claims.iss = platform.directory.gateway();
    tokens.push(("the issuer's name, another's key", stranger.sign(&claims)));
    for (what, token) in tokens {
        for (service, path) in OWN {
            let answer = platform.client.get(path).bearer(&token).await;
            let code = answer.code();
            assert_eq!(
                code,
                Some(Code::AUTH_TOKEN_INVALID.as_str()),
                "{what} at {service}: {answer:?}"
            );
        }
    }
    platform.accepted_everywhere(&login.access).await;
}
