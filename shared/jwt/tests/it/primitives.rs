//! A second signer and reader of tokens: the compact form by hand, signatures by aws-lc-rs itself, keys from what is stored
//! and published. Nothing of it is `jsonwebtoken`'s.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use ud_jwt::{Algorithm, SigningKey};

use crate::support::{World, claims_json, sign_with};

/// What HS256 signs with here.
pub const SECRET: [u8; 32] = [7; 32];

pub fn world(algorithm: Algorithm) -> World {
    World::with(match algorithm {
        Algorithm::Hs256 => SigningKey::from_secret(&SECRET).unwrap(),
        public => SigningKey::generate(public).unwrap(),
    })
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub fn mac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// The signature of `key` over `message`.
pub fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let rng = SystemRandom::new();
    let pkcs8 = || key.to_pkcs8().unwrap();
    match key.algorithm() {
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8(&pkcs8()).unwrap();
            pair.sign(message).as_ref().to_vec()
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8());
            let signature = pair.unwrap().sign(&rng, message).unwrap();
            signature.as_ref().to_vec()
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::from_pkcs8(&pkcs8()).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)
                .unwrap();
            signature
        }
        Algorithm::Hs256 => mac(&SECRET, message),
    }
}

/// Whether a published key made `signature`.
pub fn verifies(jwk: &Value, message: &[u8], signature: &[u8]) -> bool {
    let member = |name: &str| decode(jwk[name].as_str().unwrap());
    match jwk["kty"].as_str().unwrap() {
        "OKP" => UnparsedPublicKey::new(&ED25519, member("x"))
            .verify(message, signature)
            .is_ok(),
        "EC" => {
            let point = [&[4], member("x").as_slice(), member("y").as_slice()].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok()
        }
        _ => RsaPublicKeyComponents {
            n: member("n"),
            e: member("e"),
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        .is_ok(),
    }
}

/// A token with this header, good claims, and what `signer` says is its signature.
pub fn forge(header: &Value, signer: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    sign_with(&header.to_string(), &claims_json().to_string(), signer)
}

/// The header of a token of `world`.
pub fn header(world: &World) -> Value {
    json!({"alg": world.key.algorithm().as_str(), "typ": "at+jwt", "kid": world.key.kid()})
}

#[test]
fn another_implementation_reads_our_tokens_and_we_read_its() {
    for algorithm in Algorithm::ALL {
        let world = world(algorithm);
        let ours = claims_json();
        let token = world
            .key
            .sign(&serde_json::from_value(ours.clone()).unwrap())
            .unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (head, payload) = message.split_once('.').unwrap();
        let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
        assert_eq!(read(head), header(&world));
        assert_eq!(read(payload), ours);
        let signature = decode(signature);
        match world.key.public_jwk() {
            Some(jwk) => {
                let jwk = serde_json::to_value(jwk).unwrap();
                assert!(verifies(&jwk, message.as_bytes(), &signature));
            }
            None => assert_eq!(signature, mac(&SECRET, message.as_bytes())),
        }
        // All but ES256 sign the same bytes alike.
        if algorithm != Algorithm::Es256 {
            assert_eq!(signature, sign(&world.key, message.as_bytes()));
        }

        let theirs = sign_with(&header(&world).to_string(), &ours.to_string(), |message| {
            sign(&world.key, message)
        });
        let verified = world.verify(&theirs).unwrap();
        assert_eq!(serde_json::to_value(verified.claims()).unwrap(), ours);
    }
}
