//! Every refusal of SECURITY rules 14 and 15, one by one.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use ud_jwt::{Algorithm, MAX_SIGNED_BYTES, MAX_TOKEN_BYTES, Refusal, SignError, SigningKey};

use crate::support::{World, claims, claims_json, encode, sign_with};

#[test]
fn a_good_token_says_what_was_signed() {
    let world = World::new();
    let claims = claims();
    let token = world.key.sign(&claims).unwrap();
    let verified = world.verify(&token).unwrap();
    assert_eq!(verified.claims(), &claims);
    assert_eq!(verified.expires_at().as_secs(), claims.exp);
    // What the other tests forge is good but for the one thing each changes.
    world
        .verify(&world.forge_header(&world.header_json()))
        .unwrap();
}

#[test]
fn no_signature_is_no_token() {
    let world = World::new();
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": world.key.kid()});
        assert_eq!(
            world.refused(&world.forge_header(&header)),
            Refusal::Algorithm
        );
        let unsigned = sign_with(&header.to_string(), &claims_json().to_string(), |_| vec![]);
        assert_eq!(world.refused(&unsigned), Refusal::Malformed);
    }
}

#[test]
fn the_public_key_is_not_a_shared_secret() {
    let world = World::new();
    let jwk = serde_json::to_value(world.key.public_jwk().unwrap()).unwrap();
    let x = jwk["x"].as_str().unwrap();
    for secret in [x.as_bytes(), jwk.to_string().as_bytes()] {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": world.key.kid()});
        let token = sign_with(&header.to_string(), &claims_json().to_string(), |message| {
            hmac::sign(&secret, message).as_ref().to_vec()
        });
        assert_eq!(world.refused(&token), Refusal::Algorithm);
    }
}

#[test]
fn the_algorithm_is_the_keys() {
    let world = World::new();
    for alg in [
        "ES256", "RS256", "HS256", "EdDSA ", "eddsa", "Ed25519", "RS512",
    ] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": world.key.kid()});
        assert_eq!(
            world.refused(&world.forge_header(&header)),
            Refusal::Algorithm,
            "{alg}"
        );
    }
}

#[test]
fn another_key_signs_nothing_here() {
    let world = World::new();
    let stranger = World::new();
    let foreign = stranger.key.sign(&claims()).unwrap();
    assert_eq!(world.refused(&foreign), Refusal::UnknownKey);
    let pretending = stranger.forge_header(&world.header_json());
    assert_eq!(world.refused(&pretending), Refusal::Signature);
}

#[test]
fn the_header_is_exactly_three_members() {
    let world = World::new();
    for member in [
        "crit", "b64", "zip", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "enc", "url",
        "nonce", "x",
    ] {
        for value in [json!("x"), json!(["exp"]), json!(true), Value::Null] {
            let mut header = world.header_json();
            header[member] = value;
            assert_eq!(
                world.refused(&world.forge_header(&header)),
                Refusal::Header,
                "{member}"
            );
        }
    }
    for member in ["alg", "typ", "kid"] {
        let mut header = world.header_json();
        header.as_object_mut().unwrap().remove(member);
        assert_eq!(
            world.refused(&world.forge_header(&header)),
            Refusal::Header,
            "{member}"
        );
        header[member] = Value::Null;
        assert_eq!(
            world.refused(&world.forge_header(&header)),
            Refusal::Header,
            "{member}"
        );
        header[member] = json!(1);
        assert_eq!(
            world.refused(&world.forge_header(&header)),
            Refusal::Header,
            "{member}"
        );
    }
}

#[test]
fn header_members_are_not_repeated() {
    let world = World::new();
    let kid = world.key.kid();
    for header in [
        format!(r#"{{"alg":"EdDSA","alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","\u0074yp":"JWT","kid":"{kid}"}}"#),
        format!(r#"["EdDSA","at+jwt","{kid}"]"#),
        "null".to_owned(),
        "{".to_owned(),
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}{{}}"#),
    ] {
        let token = world.forge(&header, &claims_json().to_string());
        assert_eq!(world.refused(&token), Refusal::Header, "{header}");
    }
}

#[test]
fn the_type_is_exact() {
    let world = World::new();
    for typ in [
        "JWT",
        "jwt",
        "AT+JWT",
        "application/at+jwt",
        "service+jwt",
        "",
    ] {
        let mut header = world.header_json();
        header["typ"] = json!(typ);
        assert_eq!(
            world.refused(&world.forge_header(&header)),
            Refusal::Type,
            "{typ}"
        );
    }
}

#[test]
fn the_kid_is_known() {
    let world = World::new();
    let long = "k".repeat(129);
    for kid in ["", "other", "../../etc/passwd", "' OR 1=1 --", &long] {
        let mut header = world.header_json();
        header["kid"] = json!(kid);
        assert_eq!(
            world.refused(&world.forge_header(&header)),
            Refusal::UnknownKey,
            "{kid}"
        );
    }
}

#[test]
fn claims_are_not_repeated() {
    let world = World::new();
    let payload = claims_json().to_string();
    let body = payload.strip_suffix('}').unwrap();
    for extra in [
        r#""sub":"00000000-0000-7000-8000-000000000000""#,
        r#""\u0073ub":"00000000-0000-7000-8000-000000000000""#,
        r#""unknown":1,"unknown":1"#,
        r#""unknown":{"a":1,"a":1}"#,
    ] {
        let token = world.forge(
            &world.header_json().to_string(),
            &format!("{body},{extra}}}"),
        );
        assert_eq!(world.refused(&token), Refusal::Repeated, "{extra}");
    }
    // A claim of a later version is no harm.
    let newer = world.forge(
        &world.header_json().to_string(),
        &format!(r#"{body},"new":1}}"#),
    );
    world.verify(&newer).unwrap();
}

#[test]
fn every_claim_is_required_and_of_its_type() {
    let world = World::new();
    let good = claims_json();
    let names: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 16);
    for name in names {
        let mut payload = good.clone();
        payload.as_object_mut().unwrap().remove(&name);
        assert_eq!(
            world.refused(&world.forge_payload(&payload)),
            Refusal::Claims,
            "{name}"
        );
        for wrong in [Value::Null, json!(1.5), json!({}), json!([1]), json!(true)] {
            payload[&name] = wrong;
            assert_eq!(
                world.refused(&world.forge_payload(&payload)),
                Refusal::Claims,
                "{name}"
            );
        }
    }
    for payload in ["", "null", "[]", "{}", "1", "{\"iss\":"] {
        let token = world.forge(&world.header_json().to_string(), payload);
        let expected = if payload.is_empty() {
            Refusal::Malformed
        } else {
            Refusal::Claims
        };
        assert_eq!(world.refused(&token), expected, "{payload}");
    }
    let mut payload = good;
    payload["jti"] = json!("");
    assert_eq!(
        world.refused(&world.forge_payload(&payload)),
        Refusal::Claims
    );
}

#[test]
fn the_audience_is_one_string() {
    let world = World::new();
    for (aud, expected) in [
        (json!(["user-domain"]), Refusal::Claims),
        (json!(["user-domain", "other"]), Refusal::Claims),
        (json!([]), Refusal::Claims),
        (json!("other"), Refusal::Audience),
        (json!("User-Domain"), Refusal::Audience),
        (json!("user-domain "), Refusal::Audience),
        (json!(""), Refusal::Audience),
    ] {
        let mut payload = claims_json();
        payload["aud"] = aud.clone();
        assert_eq!(
            world.refused(&world.forge_payload(&payload)),
            expected,
            "{aud}"
        );
    }
}

#[test]
fn the_issuer_is_exact() {
    let world = World::new();
    for iss in [
        "https://id.example/",
        "https://ID.example",
        "http://id.example",
        "",
    ] {
        let mut payload = claims_json();
        payload["iss"] = json!(iss);
        assert_eq!(
            world.refused(&world.forge_payload(&payload)),
            Refusal::Issuer,
            "{iss}"
        );
    }
}

#[test]
fn long_tokens_are_neither_signed_nor_read() {
    let world = World::new();
    let mut payload = claims_json();
    let pad = |payload: &mut Value, by: usize| payload["pad"] = json!("x".repeat(by));
    pad(&mut payload, 5_000);
    let at_5_000 = world.forge_payload(&payload);
    world.verify(&at_5_000).unwrap();
    // Four characters of token for three of payload.
    pad(
        &mut payload,
        5_000 + (MAX_TOKEN_BYTES - at_5_000.len()) / 4 * 3 + 4,
    );
    let long = world.forge_payload(&payload);
    assert!(
        (MAX_TOKEN_BYTES + 1..MAX_TOKEN_BYTES + 10).contains(&long.len()),
        "{}",
        long.len()
    );
    assert_eq!(world.refused(&long), Refusal::TooLong);

    let mut claims = claims();
    claims.permissions = (0..100).map(|i| format!("resource-{i:020}:read")).collect();
    let signed = world.key.sign(&claims);
    assert_eq!(signed.unwrap_err(), SignError::TooLong);
    claims.permissions.truncate(50);
    assert!(world.key.sign(&claims).unwrap().len() <= MAX_SIGNED_BYTES);
}

#[test]
fn the_form_is_three_parts_of_base64url() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three parts");
    };
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}==.{signature}"),
        format!("{header}.{payload}.{signature}+"),
        format!("{header}.{payload}.{signature}/"),
        format!("Bearer {token}"),
        format!("{header}.{payload}.\u{e9}{signature}"),
        // JSON serialisation and JWE.
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
    ] {
        assert_eq!(world.refused(&bad), Refusal::Malformed, "{bad}");
    }
}

#[test]
fn a_signature_has_one_spelling() {
    let world = World::new();
    let token = world.key.sign(&claims()).unwrap();
    // 64 bytes are 85 characters and two bits: four of the last one's bits mean nothing, and must be 0.
    let (rest, last) = token.split_at(token.len() - 1);
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        if last != other.to_string() {
            world.refused(&format!("{rest}{other}"));
        }
    }
}

#[test]
fn an_hs256_issuer_works_and_is_pinned_too() {
    let world = World::with(SigningKey::from_secret(&[7; 32]).unwrap());
    let token = world.key.sign(&claims()).unwrap();
    world.verify(&token).unwrap();
    assert!(world.key.public_jwk().is_none());
    for alg in ["EdDSA", "none", "HS512"] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": world.key.kid()}).to_string();
        let forged = format!("{}.{}", encode(header), token.split_once('.').unwrap().1);
        assert_eq!(world.refused(&forged), Refusal::Algorithm);
    }
    assert_eq!(world.key.algorithm(), Algorithm::Hs256);
}
