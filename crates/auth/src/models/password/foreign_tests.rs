use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::models::password::hash::PasswordHash;

#[derive(serde::Deserialize)]
struct Vector {
    made_by: String,
    password: String,
    wrong: String,
    hash: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../tests/vectors/foreign_hashes.json")).unwrap()
}

const ARGON2: &str = "$argon2id$v=19$m=4096,t=1,p=1$FKsZQEOM4owXFGHf9c9qIA$WtM+mWIdRPpTDs4fTFhUZQ";
const BCRYPT: &str = "$2b$04$n79VH.0Q2TMWmt3Oqt9ukuBTX3NXGzm3VXbJe2F5R2pmrUcvooyHi";

fn pbkdf2_text(method: &str, digits: usize) -> String {
    format!(
        "pbkdf2:{method}$GVgZcAuIMl8SZ0Yy${}",
        "0f".repeat(digits / 2)
    )
}

fn scrypt_text(parameters: &str) -> String {
    format!("scrypt:{parameters}$bSCrqfju5yluOzCM${}", "0f".repeat(64))
}

#[test]
fn hashes_of_the_original_software_verify_and_other_passwords_do_not() {
    let vectors = vectors();
    assert!(vectors.len() > 80);
    for Vector {
        made_by,
        password,
        wrong,
        hash,
    } in vectors
    {
        let parsed = PasswordHash::parse(&hash).unwrap();
        assert_eq!(parsed.as_str(), hash);
        assert!(parsed.is_weaker_than(4), "any foreign one is renewed");
        assert!(parsed.verify(&password), "{made_by}: {password:?} {hash}");
        assert!(!parsed.verify(&wrong), "{made_by}: {wrong:?} {hash}");
    }
}

#[test]
fn out_of_bounds_is_refused_before_any_work() {
    let start = Instant::now();
    let argon2 = |from: &str, to: &str| ARGON2.replace(from, to);
    assert!(ForeignHash::parse(ARGON2).is_some());
    for bad in [
        argon2("m=4096", "m=4095"),
        argon2("m=4096", "m=131073"),
        argon2("m=4096", "m=4294967295"),
        argon2("m=4096", "m=99999999999999999999"),
        argon2("m=4096,", ""),
        argon2("m=4096", "m=4096,m=4096"),
        argon2("t=1", "t=0"),
        argon2("t=1", "t=11"),
        argon2("t=1", "t=4294967295"),
        argon2("p=1", "p=0"),
        argon2("p=1", "p=9"),
        argon2("p=1", "p=1,keyid=AAAA"),
        argon2("p=1", "p=1,data=AAAA"),
        argon2("argon2id", "argon2i"),
        argon2("argon2id", "argon2d"),
        argon2("v=19", "v=16"),
        argon2("v=19$", ""),
        argon2("FKsZQEOM4owXFGHf9c9qIA", "FKsZQEOM"),
        argon2("$WtM+mWIdRPpTDs4fTFhUZQ", ""),
        argon2("$WtM+mWIdRPpTDs4fTFhUZQ", "$WtM+mWId"),
    ] {
        assert!(ForeignHash::parse(&bad).is_none(), "{bad}");
    }
    assert!(ForeignHash::parse(BCRYPT).is_some());
    for bad in [
        BCRYPT.replace("$04$", "$03$"),
        BCRYPT.replace("$04$", "$16$"),
        BCRYPT.replace("$04$", "$31$"),
        BCRYPT.replace("$04$", "$+4$"),
        BCRYPT.replace("$04$", "$4$"),
        BCRYPT.replace("$2b$", "$2x$"),
        BCRYPT.replace("$2b$", "$2$"),
        BCRYPT.replace("$2b$", "2b$"),
        BCRYPT.replace("$2b$", "$2b:"),
        BCRYPT.replace("uku", "uk!"),
        BCRYPT.replace("yHi", "yH"),
        format!("{BCRYPT}."),
    ] {
        assert!(ForeignHash::parse(&bad).is_none(), "{bad}");
    }
    assert!(ForeignHash::parse(&pbkdf2_text("sha256:1000", 64)).is_some());
    assert!(ForeignHash::parse(&pbkdf2_text("sha512:2000000", 128)).is_some());
    for (method, digits) in [
        ("sha256:999", 64),
        ("sha256:2000001", 64),
        ("sha256:4294967296", 64),
        ("sha256:01000", 64),
        ("sha256:+1000", 64),
        ("sha256:1000:1", 64),
        ("sha256", 64),
        ("sha256:1000", 62),
        ("sha256:1000", 0),
        ("sha1:1000", 40),
        ("md5:1000", 32),
        ("sha512:1000", 64),
    ] {
        let bad = pbkdf2_text(method, digits);
        assert!(ForeignHash::parse(&bad).is_none(), "{bad}");
    }
    let upper_case = pbkdf2_text("sha256:1000", 64).replace("0f", "0F");
    assert!(ForeignHash::parse(&upper_case).is_none());
    assert!(ForeignHash::parse(&scrypt_text("131072:8:4")).is_some());
    for parameters in [
        "2048:8:1",
        "262144:8:1",
        "4097:8:1",
        "0:8:1",
        "4096:7:1",
        "4096:9:1",
        "4096:4294967295:1",
        "4096:8:0",
        "4096:8:5",
        "4096:8",
        "4096:8:1:1",
        "4096:8:-1",
    ] {
        let bad = scrypt_text(parameters);
        assert!(ForeignHash::parse(&bad).is_none(), "{bad}");
    }
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "no hash was computed"
    );
}

#[test]
fn memory_is_what_the_parameters_say() {
    let memory = |text: &str| ForeignHash::parse(text).unwrap().memory();
    const MIB: usize = 1024 * 1024;
    assert_eq!(memory(ARGON2), 4 * MIB);
    assert_eq!(memory(&ARGON2.replace("m=4096", "m=131072")), 128 * MIB);
    assert_eq!(memory(&scrypt_text("131072:8:4")), 128 * MIB);
    assert_eq!(memory(BCRYPT), 0);
    assert_eq!(memory(&pbkdf2_text("sha256:1000", 64)), 0);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = PasswordHash::parse(&text);
    }

    /// Texts that look like hashes: if one is accepted, it is within the bounds, and reading it costs nothing.
    #[test]
    fn what_looks_like_a_hash_is_bounded(
        head in r"\$argon2id\$v=19\$|\$2[aby]\$|pbkdf2:sha(256|512):|scrypt:|\$bcrypt-sha256\$v=2,t=2b,",
        middle in r"m=[0-9]{1,12},t=[0-9]{1,11},p=[0-9]{1,9}|[0-9]{1,3}|[0-9]{1,8}:8:[0-9]{1,3}|r=[0-9]{1,4}",
        salt in r"\$?[A-Za-z0-9./]{0,30}",
        digest in r"\$?([0-9a-f]{64}|[0-9a-f]{128}|[A-Za-z0-9./+]{0,60})",
    ) {
        let start = Instant::now();
        if let Ok(hash) = PasswordHash::parse(&format!("{head}{middle}{salt}{digest}")) {
            prop_assert!(hash.memory() <= 128 * 1024 * 1024);
        }
        prop_assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn no_changed_character_panics_or_costs_more(index in 0..91_usize, at in 0..512_usize, to in "\\PC") {
        let vectors = vectors();
        let mut text: Vec<char> = vectors[index % vectors.len()].hash.chars().collect();
        let at = at % text.len();
        text[at] = to.chars().next().unwrap();
        if let Ok(hash) = PasswordHash::parse(&text.into_iter().collect::<String>()) {
            prop_assert!(hash.memory() <= 128 * 1024 * 1024);
        }
    }
}
