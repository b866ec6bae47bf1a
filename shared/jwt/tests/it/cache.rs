//! What is remembered of good tokens, and when it is forgotten.

use std::sync::Arc;

use ud_jwt::{Algorithm, KeySet, Refusal, SigningKey, TokenError};

use crate::support::{World, claims};

#[test]
fn a_known_token_is_the_same_token() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    let first = world.verify(&token).unwrap();
    let second = world.verify(&token).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn clones_share_what_is_known() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    let first = world.verify(&token).unwrap();
    let twin = World {
        verifier: world.verifier.clone(),
        ..World::new()
    };
    assert!(Arc::ptr_eq(&first, &twin.verify(&token).unwrap()));
}

#[test]
fn times_are_checked_on_every_hit() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    world.verify(&token).unwrap();
    world.advance(899_999);
    world.verify(&token).unwrap();
    world.advance(1);
    assert_eq!(world.verify(&token), Err(Refusal::Expired.into()));
    // A clock set right again.
    world
        .clock
        .set(ud_kernel::Timestamp::from_secs(crate::support::NOW));
    world.verify(&token).unwrap();
    world
        .clock
        .set(ud_kernel::Timestamp::from_secs(crate::support::NOW - 6));
    assert_eq!(world.verify(&token), Err(Refusal::NotYet.into()));
}

#[test]
fn a_key_that_leaves_takes_its_tokens_along() {
    let world = World::new();
    let next = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let token = world.key.sign(&claims()).unwrap();
    let known = world.verify(&token).unwrap();

    let both = KeySet::from_signing_keys([&world.key, &next]).unwrap();
    world.keys.replace(both);
    assert!(
        Arc::ptr_eq(&known, &world.verify(&token).unwrap()),
        "nothing left, nothing forgotten"
    );

    world
        .keys
        .replace(KeySet::from_signing_keys([&next]).unwrap());
    assert_eq!(world.verify(&token), Err(Refusal::UnknownKey.into()));
    world.verify(&next.sign(&claims()).unwrap()).unwrap();
}

#[test]
fn of_a_set_that_was_withdrawn_nothing_is_left() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    let known = world.verify(&token).unwrap();
    for _ in 0..2 {
        world.keys.withdraw();
        assert_eq!(world.verify(&token), Err(TokenError::KeysUnavailable));
    }
    let next = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let set = |keys: &[&SigningKey]| KeySet::from_signing_keys(keys.iter().copied()).unwrap();
    world.keys.replace(set(&[&next]));
    assert_eq!(world.verify(&token), Err(Refusal::UnknownKey.into()));
    world.keys.withdraw();
    world.keys.replace(set(&[&next, &world.key]));
    assert!(!Arc::ptr_eq(&known, &world.verify(&token).unwrap()));
}

#[test]
fn a_kid_that_means_another_key_is_another_key() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    world.verify(&token).unwrap();
    let mut jwk = serde_json::to_value(World::new().key.public_jwk().unwrap()).unwrap();
    jwk["kid"] = world.key.kid().into();
    let set = serde_json::json!({ "keys": [jwk] }).to_string();
    world
        .keys
        .replace(KeySet::from_jwks(set.as_bytes()).unwrap());
    assert_eq!(world.verify(&token), Err(Refusal::Signature.into()));
}

#[test]
fn tokens_survive_a_rotation_that_keeps_their_key() {
    let world = World::new();
    let next = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let old = world.key.sign(&claims()).unwrap();
    world
        .keys
        .replace(KeySet::from_signing_keys([&world.key, &next]).unwrap());
    let new = next.sign(&claims()).unwrap();
    world.verify(&old).unwrap();
    world.verify(&new).unwrap();
    // The other key leaves: this one's tokens are verified anew, and are good.
    world
        .keys
        .replace(KeySet::from_signing_keys([&next]).unwrap());
    world.verify(&new).unwrap();
    assert_eq!(
        world.verify(&old),
        Err(TokenError::Invalid(Refusal::UnknownKey))
    );
}

#[test]
fn refusals_are_not_remembered() {
    let world = World::new();
    for i in 0..50 {
        let bad = format!("{}{i}", world.key.sign(&claims()).unwrap());
        world.verify(&bad).unwrap_err();
    }
    assert_eq!(world.verifier.remembered_tokens(), 0);
}
