//! The requests of docs/PRICES.md, in its order.

use std::time::Duration;

use end_to_end::{Login, Person, eventually, unique};
use serde_json::{Value, json};

use crate::{prices::Meter, prices_asked_for_oneself};

const LOGIN: &str = "POST /api/v1/auth/login";
const REFRESH: &str = "POST /api/v1/auth/refresh";
const REVOKE: &str = "POST /api/v1/auth/revoke";
const LOGOUT: &str = "POST /api/v1/auth/logout";
const VALIDATE: &str = "GET /api/v1/auth/validate";
const INTROSPECT: &str = "POST /api/v1/auth/introspect";
const PASSWORD: &str = "POST /api/v1/auth/password/change";
const REGISTER: &str = "POST /api/v1/users";

/// Little CPU.
pub const LITTLE: &str = "little";
const HASH: &str = "1 hash";
const HASH_SIGNED: &str = "1 hash, 1 signature";
const SIGNED: &str = "1 signature";
const NEW_PASSWORD: &str = "1 strength check, 1 hash";
const OLD_AND_NEW: &str = "1 strength check, 2 hashes, 1 signature";

const WRONG: &str = "wrong wrong wrong wrong";

/// How many requests of `POST /auth/revoke` pass.
pub const REVOCATIONS: u32 = 3;

/// What `/readyz` says is at most as old, whoever asks.
const FOUND_OUT_EVERY: Duration = Duration::from_secs(1);

/// Asks all of it.
pub async fn everything(meter: &mut Meter) {
    probes(meter).await;
    registrations(meter).await;
    logins(meter).await;
    refreshes(meter).await;
    revocations(meter).await;
    tokens(meter).await;
    logouts(meter).await;
    passwords(meter).await;
    prices_asked_for_oneself::everything(meter).await;
}

async fn probes(meter: &mut Meter) {
    if meter.is_standalone() {
        let call = meter.client().get("/healthz").unchecked();
        let _ = meter.ask("GET /healthz", "", LITTLE, call).await.must(200);
        let case = "at most once a second, for all who ask";
        let asked = "what readyz found out when the platform started is too old";
        let aged = async || (meter.began().elapsed() > FOUND_OUT_EVERY).then_some(());
        eventually(2 * FOUND_OUT_EVERY, asked, aged).await;
        let call = meter.client().get("/readyz").unchecked();
        let _ = meter.ask("GET /readyz", case, LITTLE, call).await.must(200);
    }
    let jwks = "/.well-known/jwks.json";
    let call = meter.client().get(jwks);
    let operation = "GET /.well-known/jwks.json";
    let _ = meter.ask(operation, "", LITTLE, call).await.must(200);
}

async fn registrations(meter: &mut Meter) {
    let register = |meter: &Meter, body: &Value| meter.client().post("/api/v1/users").json(body);
    let person = Person::new();
    let call = register(meter, &person.registration());
    let _ = meter.ask(REGISTER, "", NEW_PASSWORD, call).await.must(201);
    let taken = Person {
        username: format!("u{}", unique()),
        ..person
    };
    let call = register(meter, &taken.registration());
    let answer = meter
        .ask(REGISTER, "a taken address", NEW_PASSWORD, call)
        .await;
    let _ = answer.must(409);

    let (other, key) = (Person::new(), unique());
    let keyed =
        |meter: &Meter| register(meter, &other.registration()).header("idempotency-key", &key);
    let case = "with an `Idempotency-Key`";
    let call = keyed(meter);
    let _ = meter
        .ask(REGISTER, case, NEW_PASSWORD, call)
        .await
        .must(201);
    let call = keyed(meter);
    let answer = meter
        .ask(REGISTER, "the same key again", LITTLE, call)
        .await;
    let _ = answer.must(201);

    let weak = Person {
        password: "password1234567".to_owned(),
        ..Person::new()
    };
    let call = register(meter, &weak.registration());
    let answer = meter
        .ask(REGISTER, "a weak password", "1 strength check", call)
        .await;
    let _ = answer.must(422);
    let call = register(meter, &json!({"email": "nobody", "password": "x"}));
    let answer = meter
        .ask(REGISTER, "no address and no password", LITTLE, call)
        .await;
    let _ = answer.must(422);
}

async fn logins(meter: &mut Meter) {
    let log_in = |meter: &Meter, body: &Value| meter.client().post("/api/v1/auth/login").json(body);
    let person = meter.client().newcomer().await;
    let mut body = json!({"identifier": person.email, "password": person.password});
    let call = log_in(meter, &body);
    let answer = meter
        .ask(LOGIN, "the first", HASH_SIGNED, call)
        .await
        .must(200);
    body["device_token"] = answer.text("device_token").into();
    let call = log_in(meter, &body);
    let answer = meter
        .ask(LOGIN, "with a device token", HASH_SIGNED, call)
        .await;
    let _ = answer.must(200);
    body.as_object_mut().unwrap().remove("device_token");
    let call = log_in(meter, &body);
    let answer = meter
        .ask(LOGIN, "from a known address", HASH_SIGNED, call)
        .await;
    let _ = answer.must(200);

    let other = meter.client().newcomer().await;
    let wrong = json!({"identifier": other.email, "password": WRONG});
    let call = log_in(meter, &wrong);
    let _ = meter
        .ask(LOGIN, "a wrong password", HASH, call)
        .await
        .must(401);
    let call = log_in(meter, &wrong);
    let answer = meter.ask(LOGIN, "a wrong password again", HASH, call).await;
    let _ = answer.must(401);
    for _ in 0..3 {
        let _ = log_in(meter, &wrong).await.must(401);
    }
    let call = log_in(meter, &wrong);
    let answer = meter
        .ask(LOGIN, "the sixth wrong password", LITTLE, call)
        .await;
    let _ = answer.must(429);

    let unknown = json!({"identifier": Person::new().email, "password": WRONG});
    let call = log_in(meter, &unknown);
    let _ = meter
        .ask(LOGIN, "an unknown account", HASH, call)
        .await
        .must(401);
    let call = log_in(meter, &json!({"identifier": person.email}));
    let _ = meter
        .ask(LOGIN, "wrong members", LITTLE, call)
        .await
        .must(422);
}

async fn refreshes(meter: &mut Meter) {
    let refresh = |meter: &Meter, token: &str| {
        let body = json!({"refresh_token": token});
        meter.client().post("/api/v1/auth/refresh").json(&body)
    };
    let (_, login) = meter.client().newcomer_in().await;
    let call = refresh(meter, &login.refresh);
    let _ = meter.ask(REFRESH, "", SIGNED, call).await.must(200);
    let call = refresh(meter, &login.refresh);
    let answer = meter
        .ask(REFRESH, "the same token again", SIGNED, call)
        .await;
    let _ = answer.must(200);
    let call = refresh(meter, "udr_AAAA");
    let _ = meter.ask(REFRESH, "rubbish", LITTLE, call).await.must(401);
    let (_, login) = meter.client().newcomer_in().await;
    let logout = meter.client().post("/api/v1/auth/logout");
    let _ = logout.bearer(&login.access).await.must(204);
    let call = refresh(meter, &login.refresh);
    let answer = meter
        .ask(REFRESH, "of a closed session", LITTLE, call)
        .await;
    let _ = answer.must(401);
}

async fn revocations(meter: &mut Meter) {
    let revoke = |meter: &Meter, token: &str| {
        let form = format!("token={token}");
        let call = meter.client().post("/api/v1/auth/revoke");
        call.body("application/x-www-form-urlencoded", form)
    };
    let (_, login) = meter.client().newcomer_in().await;
    let call = revoke(meter, &login.refresh);
    let _ = meter.ask(REVOKE, "", LITTLE, call).await.must(200);
    let call = revoke(meter, &login.refresh);
    let answer = meter.ask(REVOKE, "of a closed session", LITTLE, call).await;
    let _ = answer.must(200);
    let call = revoke(meter, "udr_AAAA");
    let _ = meter.ask(REVOKE, "rubbish", LITTLE, call).await.must(200);
    let call = revoke(meter, "udr_AAAA");
    let answer = meter.ask(REVOKE, "over the limit", LITTLE, call).await;
    let _ = answer.must(429);
    let call = revoke(meter, "udr_AAAA");
    let answer = meter
        .ask(REVOKE, "over the limit again", LITTLE, call)
        .await;
    let _ = answer.must(429);
}

async fn tokens(meter: &mut Meter) {
    let path = "/api/v1/auth/validate";
    let (_, login) = meter.client().newcomer_in().await;
    let call = meter.client().get(path).bearer(&login.access);
    let answer = meter
        .ask(
            VALIDATE,
            "a token not seen before",
            "1 signature verified",
            call,
        )
        .await;
    let _ = answer.must(200);
    let call = meter.client().get(path).bearer(&login.access);
    let _ = meter.ask(VALIDATE, "", LITTLE, call).await.must(200);
    let call = meter.client().get(path);
    let _ = meter
        .ask(VALIDATE, "no token", LITTLE, call)
        .await
        .must(401);
    let call = meter.client().get(path).bearer("x");
    let _ = meter.ask(VALIDATE, "rubbish", LITTLE, call).await.must(401);
    let (head, signature) = login.access.rsplit_once('.').unwrap();
    let forged: String = signature.chars().rev().collect();
    let call = meter.client().get(path).bearer(&format!("{head}.{forged}"));
    let answer = meter
        .ask(VALIDATE, "a forged signature", "1 signature verified", call)
        .await;
    let _ = answer.must(401);
    // Its success needs a secret or a permission; that a stranger is refused costs something, too.
    let call = meter.client().post("/api/v1/auth/introspect");
    let form = format!("token={}", login.access);
    let call = call
        .header("authorization", "Basic c2hvcDp3cm9uZyB3cm9uZyB3cm9uZw==")
        .body("application/x-www-form-urlencoded", form);
    let answer = meter.ask(INTROSPECT, "a wrong secret", LITTLE, call).await;
    let _ = answer.must(401);
    let logout = meter.client().post("/api/v1/auth/logout");
    let _ = logout.bearer(&login.access).await.must(204);
    let since = std::time::Instant::now();
    let closed = [ud_kernel::Code::AUTH_SESSION_CLOSED];
    meter
        .platform
        .refused_everywhere(&login.access, since, &closed)
        .await;
    let call = meter.client().get(path).bearer(&login.access);
    let answer = meter
        .ask(VALIDATE, "of a closed session", LITTLE, call)
        .await;
    let _ = answer.must(401);
}

async fn logouts(meter: &mut Meter) {
    let logout = |meter: &Meter| meter.client().post("/api/v1/auth/logout");
    let (person, login) = meter.client().newcomer_in().await;
    let call = logout(meter).bearer(&login.access);
    let _ = meter.ask(LOGOUT, "", LITTLE, call).await.must(204);
    let login = meter.client().log_in(&person).await;
    let call = logout(meter).json(&json!({"refresh_token": login.refresh}));
    let answer = meter.ask(LOGOUT, "by a refresh token", LITTLE, call).await;
    let _ = answer.must(204);
    let call = logout(meter).json(&json!({"refresh_token": login.refresh}));
    let answer = meter
        .ask(LOGOUT, "by one of a closed session", LITTLE, call)
        .await;
    let _ = answer.must(204);
    let login = meter.client().log_in(&person).await;
    let _ = meter.client().log_in(&person).await;
    let call = logout(meter)
        .bearer(&login.access)
        .json(&json!({"all": true}));
    let answer = meter
        .ask(LOGOUT, "`all`, of two sessions", LITTLE, call)
        .await;
    let _ = answer.must(204);
}

async fn passwords(meter: &mut Meter) {
    let (person, login) = meter.client().newcomer_in().await;
    let new = Person::password();
    let call = meter.client().change_password(&login, WRONG, &new);
    let answer = meter.ask(PASSWORD, "a wrong password", HASH, call).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let call = meter
        .client()
        .change_password(&login, &person.password, &new);
    let answer = meter.ask(PASSWORD, "", OLD_AND_NEW, call).await;
    let login = Login::from_answer(answer);
    let operation = "POST /api/v1/auth/reauthenticate";
    let call = meter.client().reauthenticate(&login, WRONG);
    let answer = meter.ask(operation, "a wrong password", HASH, call).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let call = meter.client().reauthenticate(&login, &new);
    let _ = meter.ask(operation, "", HASH_SIGNED, call).await.must(200);
}
