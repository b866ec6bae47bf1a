//! When a token is good: `nbf`, `iat`, `exp`, with 5 s before the first two.

use serde_json::json;
use ud_jwt::{Refusal, TokenError};

use crate::support::{NOW, World, claims, claims_json};

#[test]
fn a_token_ends_at_exp() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    world.advance(899_999);
    world.verify(&token).unwrap();
    world.advance(1);
    assert_eq!(world.refused(&token), Refusal::Expired);
    // Not only because it had been seen before.
    let unseen = World::new();
    let token = unseen.key.sign(&claims()).unwrap();
    unseen.advance(900_000);
    assert_eq!(unseen.refused(&token), Refusal::Expired);
}

#[test]
fn a_token_begins_five_seconds_before_nbf_and_iat() {
    let world = World::new();
    for name in ["nbf", "iat"] {
        let mut payload = claims_json();
        payload[name] = json!(NOW + 5);
        world.verify(&world.forge_payload(&payload)).unwrap();
        payload[name] = json!(NOW + 6);
        assert_eq!(
            world.refused(&world.forge_payload(&payload)),
            Refusal::NotYet,
            "{name}"
        );
    }
}

#[test]
fn absurd_times_are_refused_and_nothing_overflows() {
    let world = World::new();
    for (name, value, expected) in [
        ("exp", json!(i64::MIN), Some(Refusal::Expired)),
        ("exp", json!(0), Some(Refusal::Expired)),
        ("exp", json!(i64::MAX), None),
        ("exp", json!(u64::MAX), Some(Refusal::Claims)),
        ("exp", json!("1900000000"), Some(Refusal::Claims)),
        ("nbf", json!(i64::MAX), Some(Refusal::NotYet)),
        ("iat", json!(i64::MIN), None),
    ] {
        let mut payload = claims_json();
        payload[name] = value.clone();
        let result = world.verify(&world.forge_payload(&payload));
        assert_eq!(
            result.err(),
            expected.map(TokenError::Invalid),
            "{name} {value}"
        );
    }
}
