//! Keys: generating, storing, publishing, reading sets.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use serde_json::{Value, json};
use ud_jwt::{Algorithm, KeyError, KeySet, KeySetError, MAX_SET_BYTES, SigningKey};

use crate::support::{World, claims};

const PUBLIC: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

fn jwk() -> Value {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    serde_json::to_value(key.public_jwk().unwrap()).unwrap()
}

fn read(set: &Value) -> Result<usize, KeySetError> {
    KeySet::from_jwks(set.to_string().as_bytes()).map(|set| set.len())
}

#[test]
fn a_stored_key_is_the_same_key() {
    for algorithm in PUBLIC {
        let key = SigningKey::generate(algorithm).unwrap();
        let der = key.to_pkcs8().unwrap();
        let again = SigningKey::from_pkcs8(algorithm, &der).unwrap();
        assert_eq!((again.kid(), again.algorithm()), (key.kid(), algorithm));
        assert_eq!(again.public_jwk(), key.public_jwk());
        let world = World::with(key);
        world.verify(&again.sign(&claims()).unwrap()).unwrap();

        for other in PUBLIC.into_iter().filter(|other| *other != algorithm) {
            assert_eq!(
                SigningKey::from_pkcs8(other, &der).unwrap_err(),
                KeyError::Rejected
            );
        }
        assert_eq!(
            SigningKey::from_pkcs8(algorithm, &der[1..]).unwrap_err(),
            KeyError::Rejected
        );
    }
}

#[test]
fn ed25519_is_stored_as_version_1() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(key.to_pkcs8().unwrap().len(), 48);
}

#[test]
fn shared_secrets_have_a_least_length_and_no_file() {
    assert_eq!(
        SigningKey::from_secret(&[1; 31]).unwrap_err(),
        KeyError::TooShort
    );
    assert_eq!(
        KeySet::from_secret(&[1; 31]).unwrap_err(),
        KeyError::TooShort
    );
    let key = SigningKey::generate(Algorithm::Hs256).unwrap();
    assert_eq!(key.to_pkcs8().unwrap_err(), KeyError::SharedSecret);
    assert_eq!(
        SigningKey::from_pkcs8(Algorithm::Hs256, &[0; 48]).unwrap_err(),
        KeyError::SharedSecret
    );
    let secret = [9; 40];
    let kid = SigningKey::from_secret(&secret).unwrap().kid().to_owned();
    let set = KeySet::from_secret(&secret).unwrap();
    assert_eq!(
        set.kids().collect::<Vec<_>>(),
        [(kid.as_str(), Algorithm::Hs256)]
    );
}

#[test]
fn debug_output_holds_no_secret() {
    let secret = "a secret of thirty-two bytes or so";
    let key = SigningKey::from_secret(secret.as_bytes()).unwrap();
    let set = KeySet::from_signing_keys([&key]).unwrap();
    assert!(!format!("{key:?} {set:?}").contains("thirty"));
}

#[test]
fn the_kid_is_the_thumbprint() {
    // RFC 8037, appendix A.1 to A.3.
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let der = pair.to_pkcs8v1().unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::EdDsa, der.as_ref()).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(
        serde_json::to_value(key.public_jwk().unwrap()).unwrap(),
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "use": "sig",
            "alg": "EdDSA",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        })
    );
    for algorithm in PUBLIC {
        let key = SigningKey::generate(algorithm).unwrap();
        let jwk = serde_json::to_value(key.public_jwk().unwrap()).unwrap();
        let other: Jwk = serde_json::from_value(jwk).unwrap();
        assert_eq!(other.thumbprint(ThumbprintHash::SHA256).unwrap(), key.kid());
    }
}

#[test]
fn a_set_is_read_whole_or_not() {
    let good = jwk();
    assert_eq!(read(&json!({"keys": [good, jwk()], "more": 1})), Ok(2));

    let with = |name: &str, value: Value| {
        let mut key = jwk();
        key[name] = value;
        read(&json!({ "keys": [good, key] }))
    };
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        assert_eq!(
            with(member, json!("AA")),
            Err(KeySetError::Private),
            "{member}"
        );
        assert_eq!(
            with(member, Value::Null),
            Err(KeySetError::Private),
            "{member}"
        );
    }
    assert_eq!(with("k", json!("AA")), Err(KeySetError::Symmetric));
    assert_eq!(with("kty", json!("oct")), Err(KeySetError::Symmetric));
    assert_eq!(with("use", json!("enc")), Err(KeySetError::Use));
    assert_eq!(
        with("kid", good["kid"].clone()),
        Err(KeySetError::DuplicateKid)
    );
    assert_eq!(with("kid", json!("")), Err(KeySetError::Kid));
    assert_eq!(with("kid", Value::Null), Err(KeySetError::Kid));
    assert_eq!(with("kid", json!("k".repeat(129))), Err(KeySetError::Kid));
    assert_eq!(with("kid", json!(1)), Err(KeySetError::Malformed));
    for alg in [
        json!("HS256"),
        json!("none"),
        json!("ES256"),
        json!("Ed25519"),
        Value::Null,
    ] {
        assert_eq!(with("alg", alg), Err(KeySetError::Algorithm));
    }
    assert_eq!(with("kty", json!("EC")), Err(KeySetError::Algorithm));
    assert_eq!(with("crv", json!("X25519")), Err(KeySetError::Algorithm));
    assert_eq!(with("x", Value::Null), Err(KeySetError::Key));
    assert_eq!(with("x", json!("AAAA")), Err(KeySetError::Key));
    assert_eq!(with("x", json!("not base64url!")), Err(KeySetError::Key));
    assert_eq!(with("x5c", json!(["ignored"])), Ok(2));
}

#[test]
fn sets_are_bounded() {
    let keys: Vec<Value> = (0..17).map(|_| jwk()).collect();
    assert_eq!(read(&json!({ "keys": keys[..16] })), Ok(16));
    assert_eq!(read(&json!({ "keys": keys })), Err(KeySetError::TooMany));
    assert_eq!(read(&json!({ "keys": [] })), Err(KeySetError::Empty));

    let mut text = json!({ "keys": [jwk()] }).to_string();
    text += &" ".repeat(MAX_SET_BYTES - text.len());
    assert!(KeySet::from_jwks(text.as_bytes()).is_ok());
    text.push(' ');
    assert_eq!(
        KeySet::from_jwks(text.as_bytes()).unwrap_err(),
        KeySetError::TooLarge
    );

    let signing: Vec<SigningKey> = (0..17)
        .map(|_| SigningKey::generate(Algorithm::EdDsa).unwrap())
        .collect();
    assert_eq!(
        KeySet::from_signing_keys(&signing).unwrap_err(),
        KeySetError::TooMany
    );
    assert_eq!(
        KeySet::from_signing_keys([&signing[0], &signing[0]]).unwrap_err(),
        KeySetError::DuplicateKid
    );
}

#[test]
fn what_is_no_set_is_refused() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":[1]}"#,
        "{\"keys\":[",
        "\u{feff}{}",
    ] {
        assert_eq!(
            KeySet::from_jwks(text.as_bytes()).unwrap_err(),
            KeySetError::Malformed,
            "{text}"
        );
    }
    let jwk = jwk().to_string();
    let body = jwk.strip_suffix('}').unwrap();
    for text in [
        format!(r#"{{"keys":[{body},"alg":"EdDSA"}}]}}"#),
        format!(r#"{{"keys":[],"keys":[{jwk}]}}"#),
    ] {
        assert_eq!(
            KeySet::from_jwks(text.as_bytes()).unwrap_err(),
            KeySetError::Repeated,
            "{text}"
        );
    }
}

#[test]
fn weak_or_broken_public_keys_are_refused() {
    let rsa = SigningKey::generate(Algorithm::Rs256)
        .unwrap()
        .public_jwk()
        .unwrap();
    let rsa = serde_json::to_value(rsa).unwrap();
    let n = rsa["n"].as_str().unwrap();
    let ec = SigningKey::generate(Algorithm::Es256)
        .unwrap()
        .public_jwk()
        .unwrap();
    let ec = serde_json::to_value(ec).unwrap();
    assert_eq!(read(&json!({ "keys": [rsa, ec] })), Ok(2));
    for (key, member, value) in [
        (&rsa, "n", json!(n[..171])),
        (&rsa, "n", json!(n.repeat(3))),
        (&rsa, "e", json!("Aw")),
        (&rsa, "e", json!("AA")),
        (&ec, "x", ec["y"].clone()),
        (&ec, "y", json!("AAAA")),
    ] {
        let mut key = key.clone();
        key[member] = value;
        assert_eq!(
            read(&json!({ "keys": [key] })),
            Err(KeySetError::Key),
            "{member}"
        );
    }
}
