use ud_config::Limit;
use ud_kernel::Service;
use uuid::Uuid;

use super::*;
use crate::models::test_rings::ring;

fn limit(count: u32, seconds: u64) -> Limit {
    Limit {
        count,
        per: Duration::from_secs(seconds),
    }
}

const LIMITS: fn() -> ThrottleLimits = || ThrottleLimits {
    tries: limit(5, 900),
    account: limit(50, 1800),
    source: limit(100, 60),
};

fn throttle() -> LoginThrottle {
    LoginThrottle::new(&Sealer::new(Service::Auth, ring(&["a"])), LIMITS()).unwrap()
}

fn source(text: &str) -> Source {
    Source::of(text.parse().unwrap())
}

fn user(n: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(n))
}

fn count(failures: i64, at: Timestamp) -> Count {
    Count {
        failures,
        counted_at: at,
        decays_from: at,
        forgotten_at: at,
    }
}

#[test]
fn spellings_are_counted_together_and_names_of_one_account_too() {
    let throttle = throttle();
    let names = |typed: &str, user| {
        let attempt = throttle.attempt(None, typed, user, source("192.0.2.1"));
        assert_eq!(attempt.raised.len(), 3);
        assert!(!format!("{attempt:?}").contains("ada"));
        let mut raised = attempt.raised.into_iter();
        let (pair, _) = raised.find(|(_, rule)| *rule == Rule::Tries).unwrap();
        (pair, attempt.account)
    };
    assert_eq!(
        names("Ada@Example.com", None),
        names("ada@example.com", None)
    );
    let (email, by_email) = names("ada@example.com", Some(user(1)));
    let (username, by_username) = names("ADA", Some(user(1)));
    assert_eq!(by_email, by_username, "one account");
    assert_ne!(email, username, "two things typed");
    assert_ne!(names("ada", None).1, names("ada@example.com", None).1);
    assert_ne!(
        names("a", None).1,
        names("b", None).1,
        "not even identifiers"
    );
    assert_ne!(names("ada", Some(user(1))).1, names("ada", Some(user(2))).1);
    let elsewhere = throttle.attempt(None, "ada", None, source("192.0.2.2"));
    assert_eq!(elsewhere.account, names("ada", None).1);
    assert!(!elsewhere.names().contains(&names("ada", None).0));
}

#[test]
fn evidence_is_counted_alone() {
    let throttle = throttle();
    let stranger = throttle.attempt(None, "ada", Some(user(1)), source("192.0.2.1"));
    let mut seen = stranger.names();
    assert_eq!(seen.len(), 4);
    for evidence in [
        Evidence::Device(DeviceId::from_uuid(Uuid::from_u128(7))),
        Evidence::Session(SessionId::from_uuid(Uuid::from_u128(7))),
        Evidence::Place,
    ] {
        let names = throttle
            .attempt(Some(evidence), "ada", Some(user(1)), source("192.0.2.1"))
            .names();
        assert_eq!(names.len(), 1);
        assert!(!seen.contains(&names[0]), "{evidence:?}");
        let other = throttle.attempt(
            Some(evidence),
            "x@y.example",
            Some(user(1)),
            source("192.0.2.1"),
        );
        assert_eq!(other.names(), names, "whatever was typed");
        seen.extend(names);
    }
    let code = Some(Evidence::UnlockCode);
    let attempt = throttle.attempt(code, "ada", Some(user(1)), source("192.0.2.1"));
    assert_eq!(attempt.names(), Vec::<String>::new());
}

#[test]
fn waits_double_from_one_second_to_the_longest() {
    let at = Timestamp::from_secs;
    let wait = |rule: Rule, failures, now| rule.wait(&LIMITS(), count(failures, at(1000)), now);
    for (rule, free) in [(Rule::Tries, 5), (Rule::Account, 50)] {
        let waits: Vec<_> = (free - 1..free + 12)
            .map(|n| wait(rule, n, at(1000)))
            .collect();
        let told = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900].map(Some);
        assert_eq!(waits[0], None);
        assert_eq!(waits[1..], told);
        assert_eq!(wait(rule, i64::MAX, at(1000)), Some(900));
        assert_eq!(wait(rule, free + 2, at(1003)), Some(1));
        assert_eq!(wait(rule, free + 2, at(1004)), None);
        assert_eq!(
            wait(rule, free + 2, Timestamp::from_millis(1_003_999)),
            Some(1)
        );
        // By a clock that is behind.
        assert_eq!(wait(rule, free + 2, at(700)), Some(4));
    }
    assert_eq!(wait(Rule::Tries, 80, at(1900)), None, "forgotten");
    let mut short = LIMITS();
    short.tries = limit(5, 60);
    let told = Rule::Tries.wait(&short, count(80, at(1000)), at(1000));
    assert_eq!(told, Some(60), "never longer than it counts");
}

#[test]
fn an_account_forgets_one_try_each_half_hour() {
    let mut now = Timestamp::from_secs(1_000_000);
    let rule = Rule::Account;
    let mut stored = None;
    for n in 0..50 {
        assert_eq!(
            stored.and_then(|c| rule.wait(&LIMITS(), c, now)),
            None,
            "{n}"
        );
        stored = Some(rule.after(&LIMITS(), stored, now));
    }
    let full = stored.unwrap();
    assert_eq!(rule.wait(&LIMITS(), full, now), Some(1));
    assert_eq!(full.forgotten_at, now.plus(Duration::from_secs(50 * 1800)));
    now = now.plus(Duration::from_secs(1799));
    let more = rule.after(&LIMITS(), stored, now);
    assert_eq!((more.failures, more.decays_from), (51, full.decays_from));
    now = now.plus(Duration::from_secs(1));
    let more = rule.after(&LIMITS(), stored, now);
    assert_eq!(
        (more.failures, more.decays_from),
        (50, now),
        "one gone, one more"
    );
    // What would take days to forget is not counted.
    for _ in 0..1000 {
        stored = Some(rule.after(&LIMITS(), stored, now));
    }
    assert_eq!(stored.unwrap().failures, 60);
}

#[test]
fn a_source_has_a_hundred_failures_and_then_one_a_minute() {
    let mut now = Timestamp::from_secs(1_000_000);
    let rule = Rule::Source;
    let mut stored = None;
    for n in 0..100 {
        assert_eq!(
            stored.and_then(|c| rule.wait(&LIMITS(), c, now)),
            None,
            "{n}"
        );
        stored = Some(rule.after(&LIMITS(), stored, now));
    }
    // Some were on their way: they make the wait no longer.
    for _ in 0..20 {
        stored = Some(rule.after(&LIMITS(), stored, now));
    }
    for n in 0..10 {
        assert_eq!(rule.wait(&LIMITS(), stored.unwrap(), now), Some(60), "{n}");
        now = now.plus(Duration::from_secs(59));
        assert_eq!(rule.wait(&LIMITS(), stored.unwrap(), now), Some(1), "{n}");
        now = now.plus(Duration::from_secs(1));
        assert_eq!(rule.wait(&LIMITS(), stored.unwrap(), now), None, "{n}");
        stored = Some(rule.after(&LIMITS(), stored, now));
    }
}

#[test]
fn a_time_far_ahead_is_no_wait_and_is_corrected_by_the_next_try() {
    let now = Timestamp::from_secs(1_000_000);
    let ahead = now.plus(Duration::from_secs(30 * 86_400));
    for rule in [Rule::Tries, Rule::Account, Rule::Source] {
        let mut stored = count(1000, ahead);
        assert_eq!(rule.wait(&LIMITS(), stored, now), None, "{rule:?}");
        stored = rule.after(&LIMITS(), Some(stored), now);
        assert_eq!(stored.counted_at, now, "{rule:?}");
        assert!(rule.wait(&LIMITS(), stored, now).is_some(), "{rule:?}");
        assert!(
            stored.forgotten_at <= now.plus(Rule::longest(&LIMITS())),
            "{rule:?}"
        );
    }
}
