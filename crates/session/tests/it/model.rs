//! Both stores against a small model of the rules, through random interleavings.

use std::time::Duration;

use proptest::{prelude::*, test_runner::Config};
use session_service::models::{error::SessionError, session_store::Closing};
use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{NotBefore, SessionState},
};

use crate::{
    model_rules::{ABSOLUTE, Expected, Model, USERS},
    support::{Backend, Fixture, START, create, rotation, token},
};

const SLOTS: usize = 4;
/// Everything happens within an hour: nothing that is kept that long is dropped meanwhile.
const MAX_PAUSE_MS: u64 = 70_000;

#[derive(Debug, Clone)]
enum Act {
    Pause(u64),
    Create {
        slot: usize,
        epoch: i64,
        pv: i64,
        idle: u32,
    },
    Rotate {
        slot: usize,
        back: i64,
        epoch: i64,
        pv: i64,
        skew_ms: i64,
        idle: u32,
        elsewhere: bool,
        privileged: bool,
    },
    CloseOne {
        slot: usize,
        user: usize,
    },
    CloseBelow {
        user: usize,
        min_epoch: i64,
        except: Option<usize>,
    },
    CloseAll {
        user: usize,
        except: Option<usize>,
    },
    NotBeforeUser {
        user: usize,
        min_pv: i64,
    },
    NotBeforeRole {
        min_pv: i64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let slot = || 0..SLOTS;
    let user = || 0..USERS;
    let idle = || prop_oneof![Just(60_u32), Just(120), Just(600)];
    // Mostly what a good client does; epochs and versions near each other.
    let back = prop_oneof![5 => Just(0_i64), 3 => Just(1), 1 => Just(2), 1 => Just(-1)];
    let skew = prop_oneof![
        4 => Just(0_i64), 1 => Just(-900), 1 => Just(-1100), 1 => Just(500), 1 => Just(300_000)
    ];
    prop_oneof![
        3 => prop_oneof![Just(500), Just(9_500), Just(10_500), 1..MAX_PAUSE_MS].prop_map(Act::Pause),
        4 => (slot(), 1..4_i64, 1..4_i64, idle())
            .prop_map(|(slot, epoch, pv, idle)| Act::Create { slot, epoch, pv, idle }),
        10 => (slot(), back, 1..4_i64, 1..4_i64, skew, idle(), any::<[bool; 2]>()).prop_map(
            |(slot, back, epoch, pv, skew_ms, idle, [elsewhere, privileged])| Act::Rotate {
                slot, back, epoch, pv, skew_ms, idle, elsewhere, privileged
            }
        ),
        1 => (slot(), user()).prop_map(|(slot, user)| Act::CloseOne { slot, user }),
        1 => (user(), 1..4_i64, proptest::option::of(slot()))
            .prop_map(|(user, min_epoch, except)| Act::CloseBelow { user, min_epoch, except }),
        1 => (user(), proptest::option::of(slot()))
            .prop_map(|(user, except)| Act::CloseAll { user, except }),
        1 => (user(), 1..4_i64).prop_map(|(user, min_pv)| Act::NotBeforeUser { user, min_pv }),
        1 => (1..4_i64).prop_map(|min_pv| Act::NotBeforeRole { min_pv }),
    ]
}

/// A store under test, with the names the acts use.
struct World {
    fx: Fixture,
    incarnation: String,
    users: Vec<UserId>,
    ids: Vec<SessionId>,
}

impl World {
    async fn open(backend: Backend) -> Self {
        let fx = backend.open().await;
        let incarnation = fx.log_in(UserId::new(START), START).await.incarnation;
        fx.take_events().await;
        Self {
            fx,
            incarnation,
            users: (0..USERS).map(|_| UserId::new(START)).collect(),
            ids: (0..SLOTS).map(|_| SessionId::new(START)).collect(),
        }
    }

    fn id(&self, slot: Option<usize>) -> Option<SessionId> {
        slot.map(|slot| self.ids[slot])
    }

    async fn play(&self, acts: &[Act]) {
        let mut model = Model::default();
        let mut now = START;
        for (i, act) in acts.iter().enumerate() {
            if let Act::Pause(ms) = act {
                now = now.plus(Duration::from_millis(*ms));
            }
            self.act(act, &mut model, now, i).await;
            self.compare(&model, now, i).await;
        }
        let told = self.fx.take_events().await.len();
        let expected: usize = model.sessions.values().map(|s| s.events).sum();
        assert_eq!(told, expected, "events");
    }

    async fn act(&self, act: &Act, model: &mut Model, now: Timestamp, i: usize) {
        let store = &self.fx.store;
        match *act {
            Act::Pause(_) => {}
            Act::Create {
                slot,
                epoch,
                pv,
                idle,
            } => {
                let mut new = create(self.users[slot % USERS], now);
                (new.epoch, new.pv, new.idle, new.absolute) =
                    (epoch, pv, idle, u32::try_from(ABSOLUTE).unwrap());
                new.access_ttl = 60;
                let got = store
                    .create(self.ids[slot], new)
                    .await
                    .map(|c| c.grant.counter);
                assert_eq!(
                    simple(got),
                    model.create(slot, epoch, pv, idle, now),
                    "{i}: {act:?}"
                );
            }
            Act::Rotate {
                slot,
                back,
                epoch,
                pv,
                skew_ms,
                idle,
                elsewhere,
                privileged,
            } => {
                let by_store = now;
                let now = Timestamp::from_millis(now.as_millis() + skew_ms);
                let user = self.users[slot % USERS];
                let counter = model.sessions.get(&slot).map_or(1, |s| s.counter) - back;
                let grant = ud_kernel::models::SessionGrant {
                    session_id: self.ids[slot],
                    counter,
                    key_id: String::new(),
                    issued_at: now,
                    access_expires_at: now,
                    refresh_expires_at: now,
                    authenticated_at: now,
                    amr: Vec::new(),
                    incarnation: String::new(),
                };
                let mut request = rotation(&grant, user, now);
                (request.epoch, request.pv, request.idle) = (epoch, pv, idle);
                (request.absolute, request.access_ttl) = (u32::try_from(ABSOLUTE).unwrap(), 60);
                if elsewhere {
                    request.origin.ip = Some("198.51.100.1".to_owned());
                }
                request.privileged = privileged;
                self.fx.clock.set(by_store);
                let got = self.fx.own.rotate(request).await.map(|g| g.counter);
                let expected = model.rotate(
                    slot, counter, epoch, pv, now, by_store, idle, elsewhere, privileged,
                );
                assert_eq!(simple(got), expected, "{i}: {act:?}");
            }
            Act::CloseOne { slot, user } => {
                let got = self
                    .fx
                    .close(self.users[user], Closing::One(self.ids[slot]), now)
                    .await;
                let expected = model.close(user, now, |s, _| s == slot);
                assert_eq!(got, expected, "{i}: {act:?}");
            }
            Act::CloseBelow {
                user,
                min_epoch,
                except,
            } => {
                let closing = Closing::Below {
                    min_epoch,
                    except: self.id(except),
                };
                let got = self.fx.close(self.users[user], closing, now).await;
                let entry = model.min_epoch.entry(user).or_default();
                *entry = (*entry).max(min_epoch);
                let expected = model.close(user, now, |slot, session| {
                    if session.epoch >= min_epoch {
                        return false;
                    }
                    if Some(slot) == except {
                        session.epoch = min_epoch;
                        return false;
                    }
                    true
                });
                assert_eq!(got, expected, "{i}: {act:?}");
            }
            Act::CloseAll { user, except } => {
                let closing = Closing::All {
                    except: self.id(except),
                };
                let got = self.fx.close(self.users[user], closing, now).await;
                let expected = model.close(user, now, |slot, _| Some(slot) != except);
                assert_eq!(got, expected, "{i}: {act:?}");
            }
            Act::NotBeforeUser { user, min_pv } => {
                let not_before = NotBefore {
                    user_id: Some(self.users[user]),
                    role: None,
                    min_pv,
                };
                store.set_not_before(not_before, now).await.unwrap();
                let entry = model.not_before_of_user.entry(user).or_default();
                *entry = (*entry).max(min_pv);
            }
            Act::NotBeforeRole { min_pv } => {
                let not_before = NotBefore {
                    user_id: None,
                    role: Some("user".to_owned()),
                    min_pv,
                };
                store.set_not_before(not_before, now).await.unwrap();
                model.not_before_of_role = model.not_before_of_role.max(min_pv);
            }
        }
    }

    /// What every verifier and every user would see.
    async fn compare(&self, model: &Model, now: Timestamp, i: usize) {
        for user in 0..USERS {
            let listed = self.fx.store.list(self.users[user], now).await.unwrap();
            for slot in (user..SLOTS).step_by(USERS) {
                let known = model.sessions.get(&slot).filter(|s| s.lives(now));
                let found = listed.iter().find(|s| s.id == self.ids[slot]);
                let seen = found.map(|s| (s.epoch, s.counter, s.last_seen_at, s.expires_at));
                let expected = known.map(|s| (s.epoch, s.counter, s.seen, s.end(s.idle)));
                assert_eq!(seen, expected, "{i}: slot {slot}");
                if let Some(session) = found {
                    let grant = session.grant(None, self.incarnation.clone());
                    let mut query = token(&grant, self.users[user]);
                    query.pv = 2;
                    let state = self.fx.store.state(session.id, query, now).await.unwrap();
                    let stale = model.allows(user, i64::MAX, 2).is_err();
                    let expected = if stale {
                        SessionState::Stale
                    } else {
                        SessionState::Good
                    };
                    assert_eq!(state, expected, "{i}: slot {slot}");
                }
            }
        }
    }
}

fn simple(result: Result<i64, SessionError>) -> Expected {
    result.map_err(|error| match error {
        SessionError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    })
}

fn check(backend: Backend, cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    proptest!(config, |(acts in proptest::collection::vec(act(), 1..40))| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            World::open(backend).await.play(&acts).await;
        });
    });
}

#[test]
fn redis_does_what_the_model_does() {
    check(Backend::Redis, 60);
}

#[test]
fn sqlite_does_what_the_model_does() {
    check(Backend::Sqlite, 20);
}
