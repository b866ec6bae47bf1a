//! Whatever comes in: no panic, and nothing but the very bytes that were signed is accepted.

use proptest::prelude::*;
use ud_jwt::KeySet;
use ud_kernel::Service;

use crate::{
    service::Pair,
    support::{World, claims, encode},
};

proptest! {
    #[test]
    fn any_text_is_refused(text in ".{0,300}") {
        prop_assert!(World::new().verify(&text).is_err());
        prop_assert!(Pair::new().verifier.verify(&text).is_err());
    }

    #[test]
    fn any_three_parts_are_refused(
        header in prop::collection::vec(any::<u8>(), 1..80),
        payload in prop::collection::vec(any::<u8>(), 1..80),
        signature in prop::collection::vec(any::<u8>(), 64),
    ) {
        let world = World::new();
        let token = format!("{}.{}.{}", encode(header), encode(&payload), encode(&signature));
        prop_assert!(world.verify(&token).is_err());
        let header = world.header_json().to_string();
        let token = format!("{}.{}.{}", encode(header), encode(payload), encode(signature));
        prop_assert!(world.verify(&token).is_err());
    }

    #[test]
    fn any_signed_payload_is_read_without_panic(payload in any_json(), text in ".{0,100}") {
        let world = World::new();
        let header = world.header_json().to_string();
        prop_assert!(world.verify(&world.forge(&header, &payload)).is_err());
        prop_assert!(world.verify(&world.forge(&header, &text)).is_err());
        prop_assert!(world.verify(&world.forge(&payload, &text)).is_err());
        prop_assert!(KeySet::from_jwks(payload.as_bytes()).is_err());
    }

    #[test]
    fn a_token_cut_or_extended_is_refused(at in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let world = World::new();
        let token = world.key.sign(&claims()).unwrap();
        let at = at.index(token.len());
        prop_assert!(world.verify(&token[..at]).is_err());
        let mut longer = token.clone();
        longer.insert(at, char::from(byte));
        prop_assert!(world.verify(&longer).is_err());
        let mut shorter = token;
        shorter.remove(at);
        prop_assert!(world.verify(&shorter).is_err());
    }
}

/// JSON objects that look a little like claims.
fn any_json() -> impl Strategy<Value = String> {
    let member = prop::sample::select(vec!["iss", "sub", "aud", "exp", "keys", "kid", "alg", "x"]);
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        "[a-z\"\\\\{}\\[\\]]{0,12}".prop_map(|s| serde_json::Value::from(s).to_string()),
        Just("[[[[]]]]".to_owned()),
        Just("null".to_owned()),
        Just("{\"a\":{\"b\":[{}]}}".to_owned()),
    ];
    prop::collection::vec((member, value), 0..8).prop_map(|members| {
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

/// Each byte of a token, and each of its bits.
#[test]
fn no_byte_of_a_token_can_be_changed() {
    let world = World::new();
    let pair = Pair::new();
    let access = world.key.sign(&claims()).unwrap();
    let service = pair.signer.token(Service::Auth, None).unwrap();
    world.verify(&access).unwrap();
    pair.verifier.verify(&service).unwrap();
    for (token, is_access) in [(access, true), (service, false)] {
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                let refused = if is_access {
                    world.verify(&changed).is_err()
                } else {
                    pair.verifier.verify(&changed).is_err()
                };
                assert!(refused, "byte {at} bit {bit}");
            }
        }
    }
}
