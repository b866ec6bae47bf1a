//! The counts of login throttling on real databases.

use std::time::Duration;

use auth_service::models::{error::AuthError, schema::login_counts, throttle::LoginThrottle};
use diesel::prelude::*;
use futures_util::future::join_all;
use rstest::rstest;
use testkit::Backend;
use ud_db::{StoreError, sql::Bind};

use crate::counting::{Counting, at};

#[rstest]
#[tokio::test]
async fn five_are_free_and_then_each_waits_twice_as_long(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    for attempt in [counting.stranger("ada", "192.0.2.1"), counting.owner(7)] {
        for _ in 0..5 {
            assert_eq!(counting.attempt(&attempt, at(0)).await, 0, "{backend}");
        }
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
            let told = counting.attempt(&attempt, at(now)).await;
            assert_eq!(u64::from(told), wait, "{backend}");
            // Asking early costs nothing, and does not begin the wait anew.
            assert_eq!(counting.attempt(&attempt, at(now + wait - 1)).await, 1);
            now += wait;
            assert_eq!(counting.attempt(&attempt, at(now)).await, 0, "{backend}");
        }
        assert_eq!(counting.attempt(&attempt, at(now)).await, 900);
        // From then on one in 15 minutes, for as long as somebody goes on.
        for _ in 0..3 {
            now += 900;
            assert_eq!(counting.attempt(&attempt, at(now)).await, 0, "{backend}");
            assert_eq!(counting.attempt(&attempt, at(now)).await, 900);
            assert_eq!(counting.attempt(&attempt, at(now + 899)).await, 1);
        }
        // Never for good: one is forgotten in 15 minutes.
        now += 15 * 900;
        for _ in 0..5 {
            let told = counting.attempt(&attempt, at(now)).await;
            assert_eq!(told, 0, "{backend}");
        }
        assert_eq!(counting.attempt(&attempt, at(now)).await, 1);
    }
}

#[rstest]
#[tokio::test]
async fn an_account_has_fifty_tries_of_strangers_and_forgets_one_each_half_hour(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    let from = |n: usize| counting.stranger("ada", &format!("192.0.{n}.1"));
    for n in 0..50 {
        assert_eq!(counting.attempt(&from(n), at(0)).await, 0, "{backend} {n}");
    }
    assert_eq!(counting.attempt(&from(50), at(0)).await, 1, "{backend}");
    // Of others, and with evidence, nothing is counted there.
    assert_eq!(
        counting
            .attempt(&counting.stranger("bob", "192.0.0.1"), at(0))
            .await,
        0
    );
    assert_eq!(counting.attempt(&counting.owner(1), at(0)).await, 0);
    assert_eq!(counting.attempt(&from(50), at(1)).await, 0);
    assert_eq!(counting.attempt(&from(51), at(1)).await, 2, "{backend}");
    // One of 51 is forgotten by now, and the wait is over.
    assert_eq!(counting.attempt(&from(51), at(1800)).await, 0);
    assert_eq!(counting.attempt(&from(52), at(1800)).await, 2, "{backend}");
    assert_eq!(counting.attempt(&from(52), at(4 * 1800)).await, 0);
    assert_eq!(
        counting.attempt(&from(53), at(4 * 1800)).await,
        0,
        "{backend}"
    );
}

#[rstest]
#[tokio::test]
async fn a_source_is_counted_after_failures_only_over_all_accounts(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    let at_account = |n: usize| counting.stranger(&format!("user{n}"), "2001:db8:1:2::1");
    for n in 0..200 {
        let charge = counting.raise(&at_account(n), at(0)).await.unwrap();
        counting.refund(charge).await;
    }
    assert_eq!(
        counting.rows().await,
        0,
        "{backend}: right passwords are not counted"
    );
    for n in 0..100 {
        assert_eq!(
            counting.wait(&at_account(n), at(0)).await,
            0,
            "{backend} {n}"
        );
        counting.fail(&at_account(n), at(0)).await;
    }
    let neighbour = counting.stranger("nobody", "2001:db8:1:2:ffff::9");
    assert_eq!(counting.wait(&neighbour, at(0)).await, 60, "{backend}");
    let elsewhere = counting.stranger("nobody", "2001:db8:1:3::9");
    assert_eq!(counting.wait(&elsewhere, at(0)).await, 0, "{backend}");
    for minute in 1..5 {
        assert_eq!(
            counting.wait(&neighbour, at(60 * minute)).await,
            0,
            "{backend}"
        );
        counting.fail(&neighbour, at(60 * minute)).await;
        assert_eq!(counting.wait(&neighbour, at(60 * minute)).await, 60);
    }
    // With evidence the source is not looked at, nor counted.
    assert_eq!(counting.wait(&counting.owner(1), at(240)).await, 0);
    let rows = counting.rows().await;
    counting.fail(&counting.owner(1), at(240)).await;
    assert_eq!(counting.rows().await, rows, "{backend}");
}

#[rstest]
#[tokio::test]
async fn of_two_hundred_at_once_no_more_are_let_through(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    let one_source: Vec<_> = (0..200)
        .map(|_| counting.stranger("ada", "192.0.2.1"))
        .collect();
    let many_sources: Vec<_> = (0..200)
        .map(|n| counting.stranger("bob", &format!("198.51.{n}.1")))
        .collect();
    for (attempts, free) in [(one_source, 5), (many_sources, 50)] {
        let raising = attempts
            .iter()
            .map(|attempt| counting.raise(attempt, at(0)));
        let outcomes = join_all(raising).await;
        let passed = outcomes.iter().filter(|o| o.is_ok()).count();
        assert_eq!(passed, free, "{backend}");
        for error in outcomes.iter().filter_map(|o| o.as_ref().err()) {
            let is_wait = matches!(error, AuthError::TooManyAttempts(1));
            assert!(is_wait, "{backend}: {error}");
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_is_refunded_leaves_nothing_behind(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    let attempt = counting.stranger("ada", "192.0.2.1");
    for _ in 0..4 {
        assert_eq!(counting.attempt(&attempt, at(0)).await, 0);
    }
    for n in 0..20 {
        let charge = counting.raise(&attempt, at(600 + n)).await.unwrap();
        counting.refund(charge).await;
    }
    // The time of the last failure is what it was, too: four times 15 minutes after it all is forgotten.
    for _ in 0..5 {
        assert_eq!(counting.attempt(&attempt, at(3600)).await, 0, "{backend}");
    }
    // Others came in between: smaller by one, never below nothing, and no row of nothing.
    let other = counting.stranger("bob", "192.0.3.1");
    let rows = counting.rows().await;
    let first = counting.raise(&other, at(4000)).await.unwrap();
    let second = counting.raise(&other, at(4001)).await.unwrap();
    counting.refund(first).await;
    counting.refund(second).await;
    assert_eq!(counting.rows().await, rows, "{backend}");
    for _ in 0..5 {
        assert_eq!(counting.attempt(&other, at(1001)).await, 0, "{backend}");
    }
    assert_eq!(counting.attempt(&other, at(1001)).await, 1, "{backend}");
}

#[rstest]
#[tokio::test]
async fn evidence_is_settled_and_strangers_are_not(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    for (attempt, after) in [
        (counting.owner(7), 0),
        (counting.stranger("ada", "192.0.2.1"), 1),
    ] {
        for _ in 0..4 {
            assert_eq!(counting.attempt(&attempt, at(0)).await, 0);
        }
        let charge = counting.raise(&attempt, at(0)).await.unwrap();
        let settle = move |c: &mut ud_db::DbConn| LoginThrottle::settle(c, &charge);
        counting.db.tx(settle).await.unwrap();
        // The fifth is free in both cases, the sixth with evidence alone.
        assert_eq!(counting.attempt(&attempt, at(0)).await, 0, "{backend}");
        assert_eq!(counting.attempt(&attempt, at(0)).await, after, "{backend}");
    }
}

#[rstest]
#[tokio::test]
async fn clocks_that_differ_give_nobody_more_tries(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    let mut let_through = 0;
    // Two replicas five minutes apart, and a minute of trying each second at both.
    let attempt = counting.stranger("ada", "192.0.2.1");
    for second in 0..60 {
        for now in [at(second), at(second + 300)] {
            if counting.attempt(&attempt, now).await == 0 {
                let_through += 1;
            }
        }
    }
    // Five, and after 1, 2, 4, 8, 16 seconds; by the clock ahead.
    assert!((5..=10).contains(&let_through), "{backend}: {let_through}");
}

#[rstest]
#[tokio::test]
async fn a_clock_that_was_ahead_keeps_nobody_out(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    let attempt = counting.stranger("ada", "192.0.2.1");
    for n in 0..100 {
        // Many times what is free, for the account too.
        let elsewhere = counting.stranger("ada", &format!("192.0.{n}.9"));
        let _ = counting.raise(&elsewhere, at(0)).await;
        let _ = counting.raise(&attempt, at(0)).await;
        counting
            .fail(&counting.stranger("x", "192.0.2.1"), at(0))
            .await;
    }
    assert!(counting.wait(&attempt, at(0)).await > 0, "{backend}");
    let ahead = at(30 * 86_400);
    let set = move |c: &mut ud_db::DbConn| {
        let set = diesel::update(login_counts::table).set((
            login_counts::counted_at.eq(Bind(ahead)),
            login_counts::decays_from.eq(Bind(ahead)),
            login_counts::forgotten_at.eq(Bind(ahead.plus(Duration::from_secs(900)))),
        ));
        set.execute(c).map_err(StoreError::from)
    };
    counting.db.tx(set).await.unwrap();
    // The clock is right again: nobody waits, and the next try counts as now.
    assert_eq!(counting.attempt(&attempt, at(10)).await, 0, "{backend}");
    assert!(counting.wait(&attempt, at(10)).await > 0, "{backend}");
    assert_eq!(
        counting.attempt(&attempt, at(10 + 900)).await,
        0,
        "{backend}"
    );
    // What nobody tries again is removed as if counted now, not in thirty days.
    assert!(counting.rows().await > 40, "{backend}");
    counting.sweep(at(1000)).await;
    assert!(counting.rows().await > 40, "{backend}: it counts as now");
    counting.sweep(at(1000 + 31 * 3600)).await;
    assert_eq!(counting.rows().await, 0, "{backend}");
}

#[rstest]
#[tokio::test]
async fn what_counts_no_more_is_removed(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let counting = Counting::new(backend).await;
    assert_eq!(counting.attempt(&counting.owner(1), at(0)).await, 0);
    let stranger = counting.stranger("b", "192.0.2.2");
    assert_eq!(counting.attempt(&stranger, at(100)).await, 0);
    counting.fail(&stranger, at(100)).await;
    assert_eq!(counting.sweep(at(159)).await, 0, "{backend}");
    assert_eq!(counting.sweep(at(160)).await, 1, "{backend}: the source's");
    assert_eq!(counting.sweep(at(900)).await, 1, "{backend}: the session's");
    assert_eq!(
        counting.sweep(at(1000)).await,
        1,
        "{backend}: what was typed"
    );
    assert_eq!(counting.sweep(at(1899)).await, 0, "{backend}");
    assert_eq!(
        counting.sweep(at(1900)).await,
        2,
        "{backend}: the account's, by both of its names"
    );
    assert_eq!(counting.rows().await, 0);
}
