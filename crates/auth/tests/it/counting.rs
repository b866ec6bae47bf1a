//! The counts of login throttling without the service around them.

use std::{path::PathBuf, time::Duration};

use auth_service::{
    ALL_MIGRATIONS,
    models::{
        error::AuthError,
        schema::login_counts,
        throttle::{self, Attempt, Charge, Evidence, LoginThrottle},
    },
};
use diesel::prelude::*;
use testkit::{Backend, TestDatabase};
use ud_db::{Db, StoreError};
use ud_kernel::{Service, SessionId, Source, Timestamp, UserId};
use ud_seal::Sealer;
use uuid::Uuid;

use crate::{
    attempts::throttle_limits,
    world::{START, config},
};

/// A throttle on a database of its own.
pub struct Counting {
    pub db: Db,
    pub throttle: LoginThrottle,
    _database: TestDatabase,
}

impl Counting {
    pub async fn new(backend: Backend) -> Self {
        let database = TestDatabase::create(backend);
        let options = config(&database, PathBuf::new()).database;
        let db = Db::open(&options, Service::Auth).unwrap();
        db.migrate(&ALL_MIGRATIONS).await.unwrap();
        let sealer = Sealer::new(Service::Auth, testkit::new_key_ring("k").parse().unwrap());
        Self {
            db,
            throttle: LoginThrottle::new(&sealer, throttle_limits()).unwrap(),
            _database: database,
        }
    }

    pub fn stranger(&self, typed: &str, address: &str) -> Attempt {
        let source = Source::of(address.parse().unwrap());
        self.throttle.attempt(None, typed, None, source)
    }

    pub fn owner(&self, session: u128) -> Attempt {
        let evidence = Evidence::Session(SessionId::from_uuid(Uuid::from_u128(session)));
        let user = UserId::from_uuid(Uuid::from_u128(1));
        let source = Source::of("192.0.2.1".parse().unwrap());
        self.throttle
            .attempt(Some(evidence), "", Some(user), source)
    }

    pub async fn raise(&self, attempt: &Attempt, now: Timestamp) -> Result<Charge, AuthError> {
        let (throttle, attempt) = (self.throttle.clone(), attempt.clone());
        self.db.tx(move |c| throttle.raise(c, &attempt, now)).await
    }

    /// Returns the seconds to wait by what is read.
    pub async fn wait(&self, attempt: &Attempt, now: Timestamp) -> u32 {
        let names = attempt.names();
        let counts = self
            .db
            .read(move |c| throttle::store::find_all(c, &names))
            .await;
        let wait = self.throttle.wait(attempt, &counts.unwrap(), now);
        wait.unwrap_or_default()
    }

    /// Returns the seconds to wait; 0 if the try was counted. What is read and what counting says is the same.
    pub async fn attempt(&self, attempt: &Attempt, now: Timestamp) -> u32 {
        let told = self.wait(attempt, now).await;
        let wait = match self.raise(attempt, now).await {
            Ok(_) => 0,
            Err(AuthError::TooManyAttempts(seconds)) => seconds,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(told, wait);
        wait
    }

    pub async fn refund(&self, charge: Charge) {
        let taken = self.db.tx(move |c| LoginThrottle::refund(c, &charge)).await;
        taken.unwrap();
    }

    pub async fn fail(&self, attempt: &Attempt, now: Timestamp) {
        let (throttle, attempt) = (self.throttle.clone(), attempt.clone());
        let failed = self.db.tx(move |c| throttle.fail(c, &attempt, now)).await;
        failed.unwrap();
    }

    pub async fn rows(&self) -> i64 {
        let count = |c: &mut ud_db::DbConn| {
            let rows = login_counts::table.count().get_result(c);
            rows.map_err(StoreError::from)
        };
        self.db.read(count).await.unwrap()
    }

    pub async fn sweep(&self, now: Timestamp) -> usize {
        let throttle = self.throttle.clone();
        let sweep = move |c: &mut ud_db::DbConn| {
            throttle.correct_future(c, now)?;
            throttle.forget_old(c, now)
        };
        self.db.tx(sweep).await.unwrap()
    }
}

/// Returns the time that many seconds after the start.
pub fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}
