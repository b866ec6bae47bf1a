//! Registrations of one address at the same moment: one of them wins (SECURITY rule 7).

use end_to_end::{Answer, Kind, Person, Platform, rounds};
use rstest::rstest;
use serde_json::json;
use ud_kernel::Code;

/// Two people who want the same address.
pub fn rivals() -> [Person; 2] {
    let first = Person::new();
    let second = Person {
        email: first.email.clone(),
        ..Person::new()
    };
    [first, second]
}

/// What must be true when everything has come to rest: one of the two has the account, with their own password,
/// and it is the one who was told so.
pub async fn assert_one_won(platform: &Platform, rivals: &[Person; 2], won: &[Option<String>; 2]) {
    let client = &platform.client;
    let mut accepted = [false, false];
    for (index, rival) in rivals.iter().enumerate() {
        let answer = client.try_log_in(&rival.email, &rival.password).await;
        accepted[index] = answer.status == 200;
        if accepted[index] {
            let me = client
                .get("/api/v1/users/me")
                .bearer(&answer.text("access_token"))
                .await;
            let me = me.must(200);
            assert_eq!(me.text("status"), "active");
            assert_eq!(me.text("username"), rival.username);
            if let Some(id) = &won[index] {
                assert_eq!(&me.text("id"), id);
            }
        } else {
            answer.must_be(Code::AUTH_INVALID_CREDENTIALS);
            assert!(
                won[index].is_none(),
                "{won:?}: a registration was confirmed and is gone"
            );
        }
    }
    assert_eq!(
        accepted.iter().filter(|ok| **ok).count(),
        1,
        "{accepted:?} {won:?}"
    );
    let body = json!({"email": rivals[0].email});
    let search = client
        .post("/api/v1/users/search")
        .bearer(&platform.admin.access)
        .json(&body);
    let found = search.await.must(200).items();
    assert_eq!(found.len(), 1, "{found:?}");
}

/// The id of a created user; none of one refused because another has the address.
pub fn outcome(answer: &Answer) -> Option<String> {
    if answer.status == 201 {
        return Some(answer.text("id"));
    }
    answer.must_be(Code::USER_EMAIL_TAKEN);
    None
}

#[rstest]
#[tokio::test]
async fn one_of_two_gets_the_address(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    for round in 0..rounds(50, 1_000) {
        let rivals = rivals();
        let register = async |person: &Person| {
            client
                .post("/api/v1/users")
                .json(&person.registration())
                .await
        };
        let (a, b) = tokio::join!(register(&rivals[0]), register(&rivals[1]));
        let won = [outcome(&a), outcome(&b)];
        assert_eq!(
            won.iter().flatten().count(),
            1,
            "round {round}: {a:?}\n{b:?}"
        );
        assert_one_won(&platform, &rivals, &won).await;
    }
}

#[rstest]
#[tokio::test]
async fn one_of_two_gets_the_name(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    for round in 0..rounds(20, 200) {
        let (first, mut second) = (Person::new(), Person::new());
        second.username.clone_from(&first.username);
        let register = async |person: &Person| {
            client
                .post("/api/v1/users")
                .json(&person.registration())
                .await
        };
        let (a, b) = tokio::join!(register(&first), register(&second));
        let (won, lost) = if a.status == 201 {
            (&first, &b)
        } else {
            (&second, &a)
        };
        assert_eq!(a.status.min(b.status), 201, "round {round}: {a:?}\n{b:?}");
        lost.must_be(Code::USER_USERNAME_TAKEN);
        let _ = client.log_in(won).await;
        // The loser's own address is as free as before.
        let mut loser = if a.status == 201 {
            second.clone()
        } else {
            first.clone()
        };
        loser.username = Person::new().username;
        let _ = client.register(loser).await;
    }
}

#[rstest]
#[tokio::test]
async fn the_same_key_at_the_same_moment_makes_one_user(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let client = &platform.client;
    for _ in 0..rounds(20, 200) {
        let (person, key) = (Person::new(), end_to_end::unique());
        let register = async || {
            let call = client.post("/api/v1/users").json(&person.registration());
            call.header("idempotency-key", &key).await
        };
        let (a, b, c) = tokio::join!(register(), register(), register());
        let mut ids = Vec::new();
        for answer in [&a, &b, &c] {
            if answer.status == 201 {
                ids.push(answer.text("id"));
            } else {
                answer.must_be(Code::REQUEST_IDEMPOTENCY_IN_PROGRESS);
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
        }
        ids.push(register().await.must(201).text("id"));
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let _ = client.log_in(&person).await;
    }
}
