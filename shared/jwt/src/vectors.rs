//! The examples of RFC 7515 and RFC 8037, which others made: whatever signs and verifies here has to agree with them. Their
//! headers are not ours, so that they are tried below the compact form.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;

use crate::{
    Algorithm, KeySet, SigningKey, encoding, pair::Pair, private_key::PrivateKey,
    service::IdentityKey,
};

/// Payload of RFC 7515, A.1 to A.3.
const JOE: &str = concat!(
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt",
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
);
/// RFC 7515, A.1.1.
const SECRET: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
/// RFC 7515, A.2.1.
const N: &str = concat!(
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4",
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re",
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX",
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
);
/// The same key in PKCS#8.
const RSA: &str = concat!(
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh-BYK4uPJtGXOjS1lYmM2K5J9vinh8CR3_BYlzJCh",
    "NuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxLaYk8wTM_U-3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvf",
    "br3SvaNnjuygxmj3AbONv_s4yDQs4v5tJ_reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5ROjtZMEQxrZHYJqkeDrr",
    "nGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkftoaHLFcW9Qr4NY2ai50Xw0Byj3-H2JoY2PyrZ62EWQwuz3WT",
    "OTY8BwNNb2BvniHgVFbK5emhAgMBAAECggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO9",
    "7IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9k",
    "JfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQ",
    "UShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1Dh",
    "OVRuOopznQKBgQDgHMQQ60imZV1URk0KpLttoLhyt3SmqdEf_kgHePDdtzEafpAu-cS191R2JiuoF2yzWXnwFDcqGigp",
    "5BNr0AHQfD8_Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqElMGAg-C2V0L4oNXnP7LZcPAZ",
    "RwKBgQC5A8R-CZW2MvRTLLHzwZkUXV866cff7tx6kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6Xt",
    "ON4tB5kP9jAPrq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS_l1OW1EnXUEoEHKl54Xrrz2uNwkgMTP1FZ1wKBgAcC",
    "n1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7_Ls5bkUp5u9SN0Ai3Ya6hNnvWJMb7sXQX6U_zyO2M_hTip7tUeh7",
    "CXgwo59dkpN75gJLVds29-DAncu3KXU4f2Fa-7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf_evpitUf-",
    "4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcGyoAe9fa65iNqCq-jdw6PVNGo2hxfjSiZ8IIz",
    "HdsPXI89__pMjZcQK9r-CCoRjaZjOYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2",
    "tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoO",
    "PLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
);
/// RFC 7515, A.3.1, in PKCS#8.
const P256: &str = concat!(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LKh",
    "RANCAAR_zc4ncPbEXUGDy-5v20t7WAczNXvp7xO6z248e9FURcfxRM0bvZt-hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt",
);

fn bytes(text: &str) -> Vec<u8> {
    encoding::decode(text).unwrap()
}

/// Whether the key verifies the example, and nothing that differs in a bit.
fn check(set: &KeySet, message: &str, signature: &str) {
    let (kid, _) = set.kids().next().unwrap();
    let key = set.get(kid).unwrap();
    let signature = bytes(signature);
    assert!(key.verify(message.as_bytes(), signature.clone()));
    for at in 0..signature.len() * 8 {
        let mut other = signature.clone();
        other[at / 8] ^= 1 << (at % 8);
        assert!(!key.verify(message.as_bytes(), other), "bit {at}");
    }
    let mut other = message.as_bytes().to_vec();
    other[7] ^= 1;
    assert!(!key.verify(&other, signature));
}

fn set(mut jwk: serde_json::Value) -> KeySet {
    jwk["kid"] = json!("k");
    KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap()
}

fn private(algorithm: Algorithm, pkcs8: &str) -> PrivateKey {
    let pair = Pair::from_pkcs8(algorithm, &bytes(pkcs8)).unwrap();
    PrivateKey::new(algorithm, pair.encoding_key().unwrap())
}

#[test]
fn hs256_is_that_of_rfc_7515() {
    let message = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}");
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    check(
        &KeySet::from_secret(&bytes(SECRET)).unwrap(),
        &message,
        signature,
    );
    let key = jsonwebtoken::EncodingKey::from_secret(&bytes(SECRET)).unwrap();
    let made = PrivateKey::new(Algorithm::Hs256, key).sign(message.as_bytes());
    assert_eq!(made.unwrap(), bytes(signature));
}

#[test]
fn rs256_is_that_of_rfc_7515() {
    let message = format!("eyJhbGciOiJSUzI1NiJ9.{JOE}");
    let signature = concat!(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5",
        "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb",
        "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO",
        "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    check(
        &set(json!({"kty": "RSA", "alg": "RS256", "n": N, "e": "AQAB"})),
        &message,
        signature,
    );
    let made = private(Algorithm::Rs256, RSA).sign(message.as_bytes());
    assert_eq!(made.unwrap(), bytes(signature));
    // What other software wrote is stored as it was.
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, &bytes(RSA)).unwrap();
    assert_eq!(*key.to_pkcs8().unwrap(), bytes(RSA));
}

#[test]
fn es256_is_that_of_rfc_7515() {
    let message = format!("eyJhbGciOiJFUzI1NiJ9.{JOE}");
    let signature = concat!(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA",
        "pmWQxfKTUJqPP3-Kg6NU1Q",
    );
    let set = set(json!({
        "kty": "EC", "alg": "ES256", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    check(&set, &message, signature);
    // A new one each time, under the same key.
    let made = private(Algorithm::Es256, P256).sign(message.as_bytes());
    check(&set, &message, &encoding::encode(&made.unwrap()));
}

#[test]
fn eddsa_is_that_of_rfc_8037() {
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = concat!(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B",
        "hVsPt9g7sVvpAr_MuM0KAg",
    );
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let public = json!({"kty": "OKP", "alg": "EdDSA", "crv": "Ed25519", "x": x});
    check(&set(public), message, signature);
    let identity = json!({
        "kty": "OKP", "crv": "Ed25519", "x": x, "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "use": "sig", "alg": "EdDSA", "kid": "role",
    });
    let service = ud_kernel::Service::Role;
    let key = IdentityKey::from_private_jwk(service, identity.to_string().as_bytes()).unwrap();
    assert_eq!(key.sign(message.as_bytes()).unwrap(), bytes(signature));
}
