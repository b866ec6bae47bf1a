//! What is left for names is what is really signed, for every configuration and whatever the claims say.

use std::sync::LazyLock;

use proptest::prelude::*;
use ud_jwt::{
    AccessClaims, Algorithm, KeySet, KeySource, MAX_SIGNED_BYTES, SignError, SigningKey, Verifier,
    name_bytes, names_room,
};
use ud_kernel::{Clock, SessionId, Timestamp, UserId};
use uuid::Uuid;

/// Names of exactly `bytes` bytes in all, counted by [`name_bytes`]: `bytes` is at least 8.
fn names(bytes: usize) -> Vec<String> {
    let mut left = bytes;
    let mut names = Vec::new();
    while left > 0 {
        // What stays over is enough for a name of five letters.
        let take = if left <= 66 { left } else { 58.min(left - 8) };
        names.push("n".repeat(take - name_bytes("")));
        left -= take;
    }
    let counted: usize = names.iter().map(|name| name_bytes(name)).sum();
    assert_eq!(counted, bytes);
    names
}

/// Largest claims with names of `roles` and `permissions` bytes.
fn claims(issuer: &str, audience: &str, roles: usize, permissions: usize) -> AccessClaims {
    AccessClaims {
        roles: names(roles),
        permissions: names(permissions),
        ..AccessClaims::largest(issuer, audience)
    }
}

/// What stands in a URL, and what does not: quotes and backslashes grow in JSON, other scripts take several bytes.
fn configured(most: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        "https://[a-z]{1,20}\\.example(/[a-z]{1,30}){0,6}",
        prop::collection::vec(
            any::<char>().prop_filter("text", |c| !c.is_control()),
            1..=most
        )
        .prop_map(|chars| chars.into_iter().collect::<String>()),
        Just("\"\\".repeat(20)),
    ]
}

/// A key of that algorithm; RSA keys take long to make.
fn key(algorithm: Algorithm) -> &'static SigningKey {
    static KEYS: LazyLock<[SigningKey; 4]> =
        LazyLock::new(|| Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap()));
    KEYS.iter()
        .find(|key| key.algorithm() == algorithm)
        .unwrap()
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Exactly full fits; three bytes more, the two last commas and one byte, never do.
    #[test]
    fn the_room_is_exact(
        issuer in configured(300),
        audience in configured(60),
        algorithm in algorithm(),
        share in 0.0..1.0_f64,
    ) {
        let room = names_room(&issuer, &audience, algorithm);
        prop_assume!(room >= 40);
        let key = key(algorithm);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a small number")]
        let roles = 8 + ((room - 16) as f64 * share) as usize;
        let full = claims(&issuer, &audience, roles, room - roles);
        prop_assert_eq!(key.check_length(&full), Ok(()));
        prop_assert!(key.sign(&full).unwrap().len() <= MAX_SIGNED_BYTES);
        let over = claims(&issuer, &audience, roles, room - roles + 3);
        prop_assert_eq!(key.check_length(&over), Err(SignError::TooLong));
        prop_assert_eq!(key.sign(&over), Err(SignError::TooLong));
    }

    /// No claim that is not known before is larger than what was counted for it.
    #[test]
    fn whatever_the_claims_are_names_within_the_room_fit(
        algorithm in algorithm(),
        ids in any::<(u128, u128, u128)>(),
        times in any::<[u32; 4]>(),
        pv in any::<i64>().prop_map(|pv| pv.saturating_abs()),
        roles in 8_usize..1_300,
    ) {
        let (issuer, audience) = ("https://id.example.com", "user-domain");
        let room = names_room(issuer, audience, algorithm);
        let [iat, nbf, exp, auth_time] = times.map(i64::from);
        let uuid = |n| Uuid::from_u128(n);
        let claims = AccessClaims {
            sub: UserId::from_uuid(uuid(ids.0)),
            sid: SessionId::from_uuid(uuid(ids.1)),
            inc: uuid(ids.2).to_string(),
            jti: ud_jwt::new_jti().unwrap(),
            iat, nbf, exp, auth_time, pv,
            ..claims(issuer, audience, roles, room - roles)
        };
        prop_assert!(key(algorithm).sign(&claims).unwrap().len() <= MAX_SIGNED_BYTES);
    }

    /// The check before the commit and the signature after it say the same of any claims.
    #[test]
    fn what_is_checked_is_what_is_signed(
        issuer in configured(300),
        algorithm in algorithm(),
        roles in prop::collection::vec("[a-z]{1,63}", 0..30),
        permissions in prop::collection::vec("[a-z]{1,32}:[a-z]{1,32}", 0..90),
    ) {
        let claims = AccessClaims { roles, permissions, ..AccessClaims::largest(&issuer, "a") };
        let key = key(algorithm);
        prop_assert_eq!(key.check_length(&claims), key.sign(&claims).map(drop));
    }
}

/// Before keys are known, and while one of another algorithm is published, the least room holds.
#[test]
fn a_verifier_tells_what_every_key_of_the_issuer_leaves() {
    let (issuer, audience) = ("https://id.example.com", "user-domain");
    let room = |algorithm| names_room(issuer, audience, algorithm);
    let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
    let keys = KeySource::pending();
    let verifier = Verifier::new(issuer, audience, keys.clone(), clock);
    assert_eq!(verifier.names_room(), room(Algorithm::Rs256));
    let (ed, rsa) = (key(Algorithm::EdDsa), key(Algorithm::Rs256));
    keys.replace(KeySet::from_signing_keys([ed]).unwrap());
    assert_eq!(verifier.names_room(), room(Algorithm::EdDsa));
    keys.replace(KeySet::from_signing_keys([ed, rsa]).unwrap());
    assert_eq!(verifier.names_room(), room(Algorithm::Rs256));
}

/// The numbers that docs/CONFIG.md gives.
#[test]
fn the_documented_numbers_are_those_of_the_code() {
    let left = Algorithm::ALL.map(|algorithm| names_room("", "", algorithm));
    assert_eq!(left, [2_553, 2_553, 2_361, 2_585]);
}
