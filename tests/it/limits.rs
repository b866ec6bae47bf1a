//! Each limit of the services, at its default (SECURITY rule 26).

use std::time::Instant;

use end_to_end::{Answer, Client, Kind, Login, Options, Person, Platform};
use rstest::rstest;
use serde_json::{Value, json};
use ud_kernel::{Code, Service};

const WRONG: &str = "wrong wrong wrong wrong";

/// A platform on which `name` is as it is unless configured.
async fn with_default(kind: Kind, name: &str) -> Platform {
    Options::new(kind).set(name, "").start().await
}

fn is_limited(answer: &Answer) -> bool {
    let is_limited = answer.status == 429;
    if is_limited {
        answer.must_be(Code::REQUEST_RATE_LIMITED);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3600).contains(&wait), "{answer:?}");
    }
    is_limited
}

#[rstest]
#[tokio::test]
async fn logins_three_hundred_a_minute_for_a_source(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = with_default(kind, "LIMIT_LOGIN").await;
    let client = platform.client_at(2, 1);
    let person = platform.client_at(2, 9).newcomer().await;
    let mut passed = 0;
    while !is_limited(&client.try_log_in(&person.email, &person.password).await) {
        passed += 1;
        // In the time that these take some more become free.
        assert!(passed <= 600, "no limit");
    }
    assert!(passed >= 300, "{passed}");
    // Another address is not meant.
    let _ = platform.client_at(2, 2).log_in(&person).await;
}

#[rstest]
#[tokio::test]
async fn wrong_passwords_for_an_account_and_from_a_source(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let mut options = Options::new(kind);
    for name in ["FAILURES", "STRANGERS", "SOURCE_FAILURES"] {
        options = options.set(&format!("LIMIT_LOGIN_{name}"), "");
    }
    let platform = options.start().await;
    let (victim, bystander) = (
        platform.client.newcomer().await,
        platform.client.newcomer().await,
    );
    let failures = async |client: &Client, identifiers: &mut dyn Iterator<Item = String>| {
        let mut failures = 0;
        for identifier in identifiers {
            let answer = client.try_log_in(&identifier, WRONG).await;
            if is_limited(&answer) {
                break;
            }
            answer.must_be(Code::AUTH_INVALID_CREDENTIALS);
            failures += 1;
        }
        failures
    };

    // From one source on one account, known or not.
    let client = platform.client_at(3, 1);
    for identifier in [victim.email.clone(), Person::new().email] {
        let mut same = std::iter::repeat_n(identifier.clone(), 20);
        assert_eq!(failures(&client, &mut same).await, 5, "{identifier}");
    }
    // The right password is answered the same there: nobody learns whether a try was right. Elsewhere it is let in.
    let right = client.try_log_in(&victim.email, &victim.password).await;
    assert!(is_limited(&right), "{right:?}");
    let at_home = platform.client_at(3, 99);
    let login = at_home.try_log_in(&victim.email, &victim.password).await;
    let token = login.must(200).text("device_token");

    // From many sources on one account, by either of its names.
    let mut count = 5;
    for host in 2..=80 {
        let client = platform.client_at(3, host);
        let identifier = [&victim.email, &victim.username][usize::from(host) % 2];
        let answer = client.try_log_in(identifier, WRONG).await;
        if is_limited(&answer) {
            break;
        }
        answer.must_be(Code::AUTH_INVALID_CREDENTIALS);
        count += 1;
    }
    assert_eq!(count, 50);
    let abroad = platform.client_at(3, 98);
    let login = |more: Value| {
        let mut body = json!({"identifier": victim.email, "password": victim.password});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        abroad.post("/api/v1/auth/login").json(&body)
    };
    assert!(is_limited(&login(json!({})).await), "a new place");
    let _ = at_home.log_in(&victim).await;
    let _ = login(json!({"device_token": token})).await.must(200);
    let path = format!("/api/v1/users/{}/unlock", victim.id);
    let unlock = platform.client.post(&path).bearer(&platform.admin.access);
    let unlock_code = unlock.await.must(200).text("unlock_code");
    let abroad = platform.client_at(3, 97);
    let body = json!({"identifier": victim.email, "password": victim.password, "unlock_code": unlock_code});
    let _ = abroad
        .post("/api/v1/auth/login")
        .json(&body)
        .await
        .must(200);

    // From one source on many accounts.
    let client = platform.client_at(4, 1);
    let mut others = (0..150).map(|_| Person::new().email);
    let failures = failures(&client, &mut others).await;
    // One a minute is forgotten meanwhile.
    assert!((100..=103).contains(&failures), "{failures}");
    let answer = client
        .try_log_in(&bystander.email, &bystander.password)
        .await;
    assert!(is_limited(&answer), "{answer:?}");
    let _ = platform.client_at(4, 2).log_in(&bystander).await;
}

#[rstest]
#[tokio::test]
async fn registrations_ten_an_hour_for_an_address(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = with_default(kind, "LIMIT_REGISTRATION").await;
    let client = platform.client_at(2, 3);
    let mut passed = 0;
    loop {
        let answer = client
            .post("/api/v1/users")
            .json(&Person::new().registration())
            .await;
        if is_limited(&answer) {
            break;
        }
        let _ = answer.must(201);
        passed += 1;
        assert!(passed <= 10, "no limit");
    }
    assert_eq!(passed, 10);
    let _ = platform.client_at(2, 4).newcomer().await;
}

#[rstest]
#[tokio::test]
async fn password_changes_and_refreshes_and_validations(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let options = Options::new(kind)
        .set("LIMIT_PASSWORD_CHANGE", "")
        .set("LIMIT_REAUTHENTICATE", "")
        .set("LIMIT_REFRESH", "");
    let platform = options.start().await;
    let client = platform.client_at(2, 5);
    let (_, login) = client.newcomer_in().await;
    let (_, other) = platform.client_at(2, 6).newcomer_in().await;
    let wrong = Person::password();
    let change = |login: &Login| client.change_password(login, &wrong, &Person::password());
    let again = |login: &Login| client.reauthenticate(login, &wrong);
    let mut passed = 0;
    while !is_limited(&change(&login).await) {
        passed += 1;
        assert!(passed <= 10, "no limit");
    }
    assert_eq!(passed, 10);
    let mut passed = 0;
    while !is_limited(&again(&login).await) {
        passed += 1;
        assert!(passed <= 10, "no limit");
    }
    assert_eq!(passed, 10);
    for another in [change(&other).await, again(&other).await] {
        assert!(!is_limited(&another), "counted for each user: {another:?}");
    }

    let mut passed = 0;
    while !is_limited(&client.try_refresh("udr_AAAA").await) {
        passed += 1;
        assert!(passed <= 61, "no limit");
    }
    assert!((59..=61).contains(&passed), "{passed}");
    let _ = platform.client_at(2, 6).refresh(&other).await;
}

/// A client of auth itself. Not of the gateway, which has limits of its own and asks for everybody.
fn direct(platform: &Platform, host: u8) -> Client {
    let base = platform.directory.of(Service::Auth).public;
    Client::new(base, [127, 0, 2, host].into(), platform.secrets.clone())
}

#[rstest]
#[tokio::test]
async fn revocations_sixty_a_minute_for_an_address(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = with_default(kind, "LIMIT_REVOKE").await;
    let revoke = |client: &Client, token: &str| {
        let form = format!("token={token}");
        client
            .post("/api/v1/auth/revoke")
            .body("application/x-www-form-urlencoded", form)
    };
    let client = direct(&platform, 9);
    let begun = Instant::now();
    let mut passed = 0;
    while !is_limited(&revoke(&client, "udr_AAAA").await) {
        passed += 1;
        assert!(passed < 600, "no limit");
    }
    // Meanwhile one a second becomes free.
    let freed = begun.elapsed().as_secs() + 1;
    assert!((60..=60 + freed).contains(&passed), "{passed}");
    // Who is over the limit ends no session, another address does.
    let login = loop {
        let (_, login) = platform.client.newcomer_in().await;
        while !is_limited(&revoke(&client, "udr_AAAA").await) {}
        if is_limited(&revoke(&client, &login.refresh).await) {
            break platform.client.refresh(&login).await;
        }
    };
    let _ = revoke(&direct(&platform, 10), &login.refresh)
        .await
        .must(200);
    let refused = platform.client.try_refresh(&login.refresh).await;
    refused.must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
}

#[rstest]
#[tokio::test]
async fn introspections_six_thousand_a_minute_for_an_address(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    const DEFAULT: u64 = 6000;
    let platform = with_default(kind, "LIMIT_INTROSPECT").await;
    let token = &platform.admin.access;
    let introspect = |client: &Client| {
        let form = format!("token={token}");
        let call = client.post("/api/v1/auth/introspect").bearer(token);
        call.body("application/x-www-form-urlencoded", form)
    };
    let begun = Instant::now();
    let askers = (0..8).map(|_| async {
        let client = direct(&platform, 11);
        let mut passed = 0;
        while !is_limited(&introspect(&client).await) {
            passed += 1;
            assert!(passed < 10 * DEFAULT, "no limit");
        }
        passed
    });
    let passed: u64 = futures_util::future::join_all(askers).await.iter().sum();
    // Meanwhile a hundred a second become free.
    let freed = begun.elapsed().as_secs() * DEFAULT / 60 + 200;
    assert!((DEFAULT..=DEFAULT + freed).contains(&passed), "{passed}");
    let _ = introspect(&direct(&platform, 12)).await.must(200);
}

#[rstest]
#[tokio::test]
async fn validations_for_an_address(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    // The default, 6000 a minute, takes a while to reach; the same limit by another number.
    let platform = Options::new(kind)
        .set("LIMIT_VALIDATE", "50/3600")
        .start()
        .await;
    let client = direct(&platform, 7);
    let mut passed = 0;
    loop {
        let answer = client
            .get("/api/v1/auth/validate")
            .bearer(&platform.admin.access)
            .await;
        if is_limited(&answer) {
            break;
        }
        let _ = answer.must(200);
        passed += 1;
        assert!(passed <= 51, "no limit");
    }
    assert!((49..=51).contains(&passed), "{passed}");
    let other = direct(&platform, 8).get("/api/v1/auth/validate");
    let _ = other.bearer(&platform.admin.access).await.must(200);
}
