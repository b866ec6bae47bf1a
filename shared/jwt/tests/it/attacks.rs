//! What a library of tokens has been tricked with before: each attempt under each algorithm.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RsaKeyPair, UnparsedPublicKey,
    },
};
use serde_json::{Value, json};
use ud_jwt::{Algorithm, KeyError, KeySet, KeySetError, Refusal, SigningKey};

use crate::{
    primitives::{decode, forge, header, mac, sign, world},
    support::{World, claims, encode},
};

const PUBLIC: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
/// Order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn jwk(key: &SigningKey) -> Value {
    serde_json::to_value(key.public_jwk().unwrap()).unwrap()
}

fn read(keys: Value) -> Result<KeySet, KeySetError> {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes())
}

/// Refused for its signature, whatever `signer` made of the message.
fn is_no_signature(world: &World, signer: impl FnOnce(&[u8]) -> Vec<u8>) {
    assert_eq!(
        world.refused(&forge(&header(world), signer)),
        Refusal::Signature
    );
}

/// The public key in every form in which somebody may have taken it for a secret.
fn forms(key: &SigningKey) -> Vec<Vec<u8>> {
    let jwk = jwk(key);
    let members = ["x", "y", "n"].iter().filter_map(|name| jwk[name].as_str());
    let mut forms: Vec<Vec<u8>> = members
        .flat_map(|text| [text.as_bytes().to_vec(), decode(text)])
        .collect();
    forms.push(jwk.to_string().into_bytes());
    let der = key.to_pkcs8().unwrap();
    match key.algorithm() {
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
            forms.push(pair.public_key().as_ref().to_vec());
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).unwrap();
            forms.push(pair.public_key().as_ref().to_vec());
        }
        _ => {}
    }
    forms
}

#[test]
fn no_public_key_is_a_shared_secret_in_any_form() {
    for algorithm in PUBLIC {
        let world = world(algorithm);
        for secret in forms(&world.key) {
            let mut claimed = header(&world);
            claimed["alg"] = json!("HS256");
            let token = forge(&claimed, |message| mac(&secret, message));
            assert_eq!(world.refused(&token), Refusal::Algorithm);
            // Nor under the key's own name.
            is_no_signature(&world, |message| mac(&secret, message));
        }
    }
}

#[test]
fn no_algorithm_passes_for_another() {
    for algorithm in Algorithm::ALL {
        let world = world(algorithm);
        let names = [
            "EdDSA", "ES256", "RS256", "HS256", "ES384", "RS384", "RS512", "PS256", "PS384",
            "PS512", "HS384", "HS512", "none",
        ];
        for name in names.into_iter().filter(|name| *name != algorithm.as_str()) {
            let mut claimed = header(&world);
            claimed["alg"] = json!(name);
            let token = forge(&claimed, |message| sign(&world.key, message));
            assert_eq!(
                world.refused(&token),
                Refusal::Algorithm,
                "{algorithm} {name}"
            );
        }
        // Another key's signature of every algorithm, under this key's name and algorithm.
        for other in Algorithm::ALL {
            let stranger = match other {
                Algorithm::Hs256 => SigningKey::from_secret(&[8; 32]).unwrap(),
                public => SigningKey::generate(public).unwrap(),
            };
            let foreign = stranger.sign(&claims()).unwrap();
            let foreign = decode(foreign.rsplit_once('.').unwrap().1);
            is_no_signature(&world, |_| foreign);
        }
    }
}

#[test]
fn a_signature_has_one_length() {
    for algorithm in Algorithm::ALL {
        let world = world(algorithm);
        let length = sign(&world.key, b"m").len();
        for wrong in [1, 31, 32, 33, 63, 64, 65, 96, 128, 255, 256, 257, 512]
            .into_iter()
            .chain([length - 1, length + 1, length * 2])
            .filter(|wrong| *wrong != length)
        {
            is_no_signature(&world, |message| {
                let mut signature = sign(&world.key, message);
                signature.resize(wrong, 0);
                signature
            });
            is_no_signature(&world, |message| {
                let mut signature = vec![0; wrong.saturating_sub(length)];
                signature.extend(sign(&world.key, message));
                signature.truncate(wrong);
                signature
            });
        }
        for byte in [0, 1, 0x7f, 0xff] {
            is_no_signature(&world, |_| vec![byte; length]);
        }
        let empty = forge(&header(&world), |_| Vec::new());
        assert_eq!(world.refused(&empty), Refusal::Malformed);
    }
}

#[test]
fn an_es256_signature_is_not_der() {
    let world = world(Algorithm::Es256);
    let der = world.key.to_pkcs8().unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).unwrap();
    for _ in 0..16 {
        is_no_signature(&world, |message| {
            let signature = pair.sign(&SystemRandom::new(), message).unwrap();
            signature.as_ref().to_vec()
        });
    }
}

#[test]
fn no_part_of_an_es256_signature_is_out_of_range() {
    let world = world(Algorithm::Es256);
    let [zero, all] = [[0; 32], [0xff; 32]];
    let mut one = zero;
    one[31] = 1;
    let parts = [zero, one, ORDER, all];
    for r in parts {
        for s in parts {
            is_no_signature(&world, |_| [r, s].concat());
        }
        is_no_signature(&world, |message| {
            [&r, &sign(&world.key, message)[32..]].concat()
        });
        is_no_signature(&world, |message| {
            [&sign(&world.key, message)[..32], &r].concat()
        });
    }
}

/// RFC 7518 wants no low `s`, so that everybody can make a second signature of a token's. It says the same, and nothing here
/// tells tokens apart by their signatures.
#[test]
fn the_twin_of_an_es256_signature_says_nothing_else() {
    let world = world(Algorithm::Es256);
    let token = world.key.sign(&claims()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut twin = decode(signature);
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i32::from(ORDER[at]) - i32::from(twin[32 + at]) - borrow;
        borrow = i32::from(difference < 0);
        twin[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let twin = format!("{message}.{}", encode(twin));
    assert_ne!(twin, token);
    assert_eq!(world.verify(&twin), world.verify(&token));
}

#[test]
fn what_jsonwebtoken_itself_would_take_is_refused() {
    for algorithm in Algorithm::ALL {
        let world = world(algorithm);
        for (more, value) in [
            ("b64", json!(true)),
            ("crit", json!(["b64"])),
            ("crit", json!(["exp"])),
            ("cty", json!("JWT")),
            ("jwk", json!({"kty": "oct", "k": "AA"})),
            ("x5c", json!(["AA"])),
        ] {
            let mut extended = header(&world);
            extended["b64"] = json!(true);
            extended[more] = value;
            let token = forge(&extended, |message| sign(&world.key, message));
            assert_eq!(world.refused(&token), Refusal::Header, "{more}");
        }
    }
}

#[test]
fn base64url_has_one_spelling_under_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let world = world(algorithm);
        let token = world.key.sign(&claims()).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (rest, last) = token.split_at(token.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap();
        // 32, 64 and 256 bytes leave bits in the last character.
        let other = alphabet.get(at + 1..at + 2).unwrap();
        for bad in [
            format!("{rest}{other}"),
            format!("{token}="),
            format!("{token}=="),
            format!("{token} "),
            format!("{token}\r\n"),
            format!("{message}.{}\n{}", &signature[..8], &signature[8..]),
            format!("{message}. {signature}"),
            format!("{message}.+{}", &signature[1..]),
        ] {
            assert_eq!(world.refused(&bad), Refusal::Malformed, "{bad}");
        }
    }
}

#[test]
fn a_kid_means_one_key_of_one_type() {
    let mut keys: Vec<Value> = PUBLIC
        .iter()
        .map(|algorithm| jwk(&SigningKey::generate(*algorithm).unwrap()))
        .collect();
    for key in &mut keys {
        key["kid"] = json!("one");
    }
    assert_eq!(read(json!(keys)).unwrap_err(), KeySetError::DuplicateKid);
    // One type's members under another's name.
    for (at, name) in [(0, "ES256"), (1, "EdDSA"), (1, "RS256"), (2, "ES256")] {
        let mut key = keys[at].clone();
        key["alg"] = json!(name);
        assert_eq!(read(json!([key])).unwrap_err(), KeySetError::Algorithm);
    }
}

#[test]
fn members_of_a_key_have_one_spelling_and_length() {
    for algorithm in PUBLIC {
        let key = jwk(&SigningKey::generate(algorithm).unwrap());
        for name in ["x", "y", "n", "e"] {
            let Some(text) = key[name].as_str() else {
                continue;
            };
            let bytes = decode(text);
            for bad in [
                String::new(),
                format!("{text}="),
                format!("{text} "),
                format!(" {text}"),
                format!("{text}\n"),
                format!("{text}A"),
                format!("+{}", &text[1..]),
                encode([bytes.as_slice(), &[0]].concat()),
                encode([&[0], bytes.as_slice()].concat()),
                encode(&bytes[1..]),
                encode(&bytes[..bytes.len() - 1]),
            ] {
                let mut broken = key.clone();
                broken[name] = json!(bad);
                assert_eq!(
                    read(json!([broken])).unwrap_err(),
                    KeySetError::Key,
                    "{algorithm} {name} {bad}"
                );
            }
        }
    }
}

#[test]
fn weak_rsa_keys_are_in_no_set() {
    let good = jwk(&SigningKey::generate(Algorithm::Rs256).unwrap());
    let n = decode(good["n"].as_str().unwrap());
    let with = |n: &[u8]| {
        let mut key = good.clone();
        key["n"] = json!(encode(n));
        read(json!([key])).map(|set| set.len())
    };
    assert_eq!(with(&n), Ok(1));
    let [mut of_2047, mut even] = [n.clone(), n.clone()];
    of_2047[0] = 0x7f;
    *even.last_mut().unwrap() &= 0xfe;
    let last = n.len() - 128;
    for weak in [&n[last..], &n[64..], &n[1..], &of_2047, &even, &[0; 256]] {
        assert_eq!(with(weak), Err(KeySetError::Key), "{} bytes", weak.len());
    }
}

#[test]
fn keys_that_sign_for_everybody_are_in_no_set() {
    let y = |text: &str| {
        let digits = text.as_bytes().chunks(2);
        let bytes: Vec<u8> = digits
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect();
        bytes
    };
    let zeros = "00".repeat(31);
    let ones = "ff".repeat(30);
    let mut forged = 0;
    for point in [
        format!("00{zeros}"),
        format!("01{zeros}"),
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".to_owned(),
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".to_owned(),
        format!("ec{ones}7f"),
        format!("ed{ones}7f"),
        format!("ee{ones}7f"),
    ] {
        for sign_bit in [0, 0x80] {
            let mut x = y(&point);
            x[31] |= sign_bit;
            let key = json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k", "x": encode(&x),
            });
            assert_eq!(read(json!([key])).unwrap_err(), KeySetError::Key, "{point}");
            // Why: the neutral point and 0 are a signature under it, of one message in eight at the least.
            let mut signature = [0; 64];
            signature[0] = 1;
            let public = UnparsedPublicKey::new(&ED25519, x);
            let taken = (0_u8..=255).any(|at| public.verify(&[at], &signature).is_ok());
            forged += u32::from(taken);
        }
    }
    assert!(forged > 0, "aws-lc refuses them by itself now");
    // A key like any other is not one of them.
    let mut seed = [0; 32];
    for at in 0..32 {
        seed[at] = 1;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k",
            "x": encode(pair.public_key().as_ref()),
        });
        assert_eq!(read(json!([key])).unwrap().len(), 1);
    }
}

#[test]
fn a_stored_key_is_whole_and_what_follows_it_is_not_kept() {
    for algorithm in PUBLIC {
        let key = SigningKey::generate(algorithm).unwrap();
        let der = key.to_pkcs8().unwrap();
        for bad in [
            &[&[0], der.as_slice()].concat(),
            &der[..der.len() - 1],
            // An RSA key in PKCS#1.
            &der[26..],
            &[],
        ] {
            let refused = SigningKey::from_pkcs8(algorithm, bad).unwrap_err();
            assert_eq!(refused, KeyError::Rejected, "{algorithm}");
        }
        let longer = [der.as_slice(), &[0; 64]].concat();
        if let Ok(again) = SigningKey::from_pkcs8(algorithm, &longer) {
            assert_eq!(again.kid(), key.kid());
            assert_eq!(again.to_pkcs8().unwrap(), der);
        }
    }
}
