//! The count of guesses on real databases.

use std::{path::PathBuf, time::Duration};

use auth_service::{
    ALL_MIGRATIONS,
    models::{
        error::AuthError,
        guess_count_store,
        guess_limit::{Charge, GuessLimit},
    },
};
use futures_util::future::join_all;
use testkit::{Backend, TestDatabase};
use ud_db::{Db, DbConn};
use ud_kernel::{Service, Timestamp};
use ud_seal::Sealer;

use crate::world::{START, config, limit};

struct Counting {
    db: Db,
    guesses: GuessLimit,
    _database: TestDatabase,
}

impl Counting {
    async fn new(backend: Backend) -> Self {
        let database = TestDatabase::create(backend);
        let options = config(&database, PathBuf::new()).db_options();
        let db = Db::open(&options, Service::Auth).unwrap();
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let sealer = Sealer::new(Service::Auth, testkit::new_key_ring("k").parse().unwrap());
        Self {
            db,
            guesses: GuessLimit::new(&sealer, limit(5, 900)).unwrap(),
            _database: database,
        }
    }

    async fn charge(
        &self,
        identifier: &str,
        address: &str,
        now: Timestamp,
    ) -> Result<Charge, AuthError> {
        let (guesses, guess) = (
            self.guesses.clone(),
            self.guesses.guess(identifier, address),
        );
        self.db.tx(move |c| guesses.charge(c, &guess, now)).await
    }

    /// Seconds to wait; 0 if the guess was counted. What is told before counting must be the same.
    async fn guess(&self, identifier: &str, address: &str, now: Timestamp) -> u32 {
        let (guesses, guess) = (
            self.guesses.clone(),
            self.guesses.guess(identifier, address),
        );
        let told = self.db.read(move |c| guesses.wait(c, &guess, now)).await;
        let wait = match self.charge(identifier, address, now).await {
            Ok(_) => 0,
            Err(AuthError::TooManyAttempts(seconds)) => seconds,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(told.unwrap_or_default().unwrap_or_default(), wait);
        wait
    }
}

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

#[tokio::test]
async fn five_are_free_and_then_each_waits_twice_as_long() {
    for backend in Backend::ALL {
        let counting = Counting::new(backend).await;
        for n in 0..5 {
            let address = format!("192.0.2.{n}");
            assert_eq!(counting.guess("ada", &address, at(0)).await, 0, "{backend}");
        }
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
            let told = counting.guess("ADA", "192.0.2.99", at(now)).await;
            assert_eq!(u64::from(told), wait, "{backend}");
            // Asking early costs nothing, and does not begin the wait anew.
            let told = counting
                .guess("ada", "192.0.2.98", at(now + wait - 1))
                .await;
            assert_eq!(told, 1, "{backend}");
            now += wait;
            let address = format!("198.51.100.{}", wait % 251);
            assert_eq!(
                counting.guess("ada", &address, at(now)).await,
                0,
                "{backend}"
            );
        }
        assert_eq!(counting.guess("ada", "192.0.2.97", at(now)).await, 900);
        assert_eq!(counting.guess("bob", "192.0.2.97", at(now)).await, 0);
        // Never for good: forgotten after 15 minutes without another.
        for _ in 0..5 {
            let told = counting.guess("ada", "203.0.113.1", at(now + 900)).await;
            assert_eq!(told, 0, "{backend}");
        }
        assert_eq!(counting.guess("ada", "192.0.2.97", at(now + 900)).await, 1);
    }
}

#[tokio::test]
async fn an_address_is_counted_over_all_accounts() {
    for backend in Backend::ALL {
        let counting = Counting::new(backend).await;
        for n in 0..5 {
            let name = format!("user{n}");
            assert_eq!(
                counting.guess(&name, "192.0.2.1", at(0)).await,
                0,
                "{backend}"
            );
        }
        assert_eq!(
            counting.guess("nobody-yet", "192.0.2.1", at(0)).await,
            1,
            "{backend}"
        );
        assert_eq!(counting.guess("nobody-yet", "192.0.2.2", at(0)).await, 0);
    }
}

#[tokio::test]
async fn of_two_hundred_at_once_five_are_let_through() {
    for backend in Backend::ALL {
        let counting = Counting::new(backend).await;
        // Of one account from many addresses, of many accounts from one address.
        for by_account in [true, false] {
            let charges = (0..200).map(|n| {
                let (name, address) = if by_account {
                    ("ada".to_owned(), format!("192.0.2.{n}"))
                } else {
                    (format!("user{n}"), "198.51.100.1".to_owned())
                };
                let counting = &counting;
                async move { counting.charge(&name, &address, at(0)).await }
            });
            let outcomes = join_all(charges).await;
            let passed = outcomes.iter().filter(|o| o.is_ok()).count();
            assert_eq!(passed, 5, "{backend}");
            for error in outcomes.iter().filter_map(|o| o.as_ref().err()) {
                assert!(
                    matches!(error, AuthError::TooManyAttempts(1)),
                    "{backend}: {error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_right_one_frees_the_account_and_no_more_than_itself_at_the_address() {
    for backend in Backend::ALL {
        let counting = Counting::new(backend).await;
        // Who knows one account's password guesses at others in between.
        for n in 0..5 {
            let wrong = counting
                .guess(&format!("user{n}"), "192.0.2.1", at(0))
                .await;
            assert_eq!(wrong, 0, "{backend} {n}");
            if n < 4 {
                let charge = counting.charge("own", "192.0.2.1", at(0)).await.unwrap();
                let guesses = counting.guesses.clone();
                let settled = counting.db.tx(move |c| guesses.settle(c, &charge));
                settled.await.unwrap();
            }
        }
        assert_eq!(
            counting.guess("own", "192.0.2.1", at(0)).await,
            1,
            "{backend}"
        );
        // An account after four wrong ones and a right one has five again.
        for _ in 0..4 {
            assert_eq!(counting.guess("ada", "192.0.2.2", at(0)).await, 0);
        }
        let charge = counting.charge("ada", "192.0.2.3", at(0)).await.unwrap();
        let guesses = counting.guesses.clone();
        counting
            .db
            .tx(move |c| guesses.settle(c, &charge))
            .await
            .unwrap();
        for n in 0..5 {
            let address = format!("203.0.113.{n}");
            assert_eq!(counting.guess("ada", &address, at(0)).await, 0, "{backend}");
        }
        assert_eq!(
            counting.guess("ada", "203.0.113.9", at(0)).await,
            1,
            "{backend}"
        );
    }
}

#[tokio::test]
async fn what_is_taken_back_leaves_nothing_behind() {
    for backend in Backend::ALL {
        let counting = Counting::new(backend).await;
        for _ in 0..4 {
            assert_eq!(counting.guess("ada", "192.0.2.1", at(0)).await, 0);
        }
        for n in 0..20 {
            let charge = counting
                .charge("ada", "192.0.2.1", at(600 + n))
                .await
                .unwrap();
            let guesses = counting.guesses.clone();
            let taken = counting.db.tx(move |c| guesses.take_back(c, &charge)).await;
            taken.unwrap();
        }
        // The time of the last failure is what it was, too: 15 minutes after it all is forgotten.
        for _ in 0..5 {
            assert_eq!(
                counting.guess("ada", "192.0.2.1", at(900)).await,
                0,
                "{backend}"
            );
        }
        // Others came in between: smaller by one, never below nothing.
        let charge = counting.charge("bob", "192.0.2.3", at(1000)).await.unwrap();
        let second = counting.charge("bob", "192.0.2.3", at(1001)).await.unwrap();
        for charge in [charge, second] {
            let guesses = counting.guesses.clone();
            counting
                .db
                .tx(move |c| guesses.take_back(c, &charge))
                .await
                .unwrap();
        }
        for _ in 0..5 {
            assert_eq!(
                counting.guess("bob", "192.0.2.3", at(1001)).await,
                0,
                "{backend}"
            );
        }
        assert_eq!(
            counting.guess("bob", "192.0.2.3", at(1001)).await,
            1,
            "{backend}"
        );
    }
}

#[tokio::test]
async fn clocks_that_differ_give_nobody_more_guesses() {
    for backend in Backend::ALL {
        let counting = Counting::new(backend).await;
        let mut let_through = 0;
        // Two replicas five minutes apart, and a minute of trying each second at both.
        for second in 0..60 {
            for now in [at(second), at(second + 300)] {
                let address = format!("192.0.{}.{second}", now.as_secs() % 251);
                if counting.guess("ada", &address, now).await == 0 {
                    let_through += 1;
                }
            }
        }
        // Five, and after 1, 2, 4, 8, 16 seconds; by the clock ahead.
        assert!((5..=10).contains(&let_through), "{backend}: {let_through}");
    }
}

#[tokio::test]
async fn what_counts_no_more_is_removed() {
    for backend in Backend::ALL {
        let counting = Counting::new(backend).await;
        for (name, address, second) in [("a", "192.0.2.1", 0), ("b", "192.0.2.2", 100)] {
            assert_eq!(counting.guess(name, address, at(second)).await, 0);
        }
        let forget = async |now| {
            let horizon = counting.guesses.horizon(now);
            let forget = move |c: &mut DbConn| guess_count_store::forget_before(c, horizon);
            counting.db.tx(forget).await
        };
        assert_eq!(forget(at(900)).await, Ok(0), "{backend}");
        assert_eq!(forget(at(901)).await, Ok(2), "{backend}");
        assert_eq!(forget(at(901)).await, Ok(0), "{backend}");
        assert_eq!(forget(at(1001)).await, Ok(2), "{backend}");
    }
}
