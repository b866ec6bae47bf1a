//! Random interleavings of whatever clients, thieves, operators and clocks do, against the model of [`crate::chains`].

use std::{cell::RefCell, time::Duration};

use end_to_end::rounds;
use proptest::{prelude::*, test_runner::Config};
use reqwest::Method;
use serde_json::json;
use testkit::new_key_ring;
use ud_kernel::{Service, Timestamp, UserId, models::SessionState};

use crate::{
    acts::{Act, NEWEST, act},
    chains::{Expected, Model},
    ground::Store,
    seen::{Seen, Tokens},
    world::{World, off},
};

const fn address(elsewhere: bool) -> &'static str {
    if elsewhere {
        "198.51.100.7"
    } else {
        "192.0.2.1"
    }
}

/// One run: a user of its own in a world that others have used.
struct Run<'a> {
    world: &'a mut World,
    model: Model,
    user: UserId,
    email: String,
    began: Timestamp,
    /// What was given out, by chain and counter.
    given: Vec<Vec<Tokens>>,
    ring: Vec<String>,
    status: u64,
}

impl Run<'_> {
    fn auth_now(&self, i: usize) -> i64 {
        self.since(self.world.auths[i].own.clock.now())
    }

    /// Auth's clock, and that of the store: Redis has the time it is, SQLite that of its only session service.
    fn clocks(&self, auth: usize) -> [i64; 2] {
        [self.auth_now(auth), self.since(self.store_clock())]
    }

    fn store_clock(&self) -> Timestamp {
        match self.world.sessions.len() {
            1 => self.world.sessions[0].own.clock.now(),
            _ => self.world.clock.now(),
        }
    }

    fn session_now(&self, i: usize) -> i64 {
        self.since(self.world.sessions[i].own.clock.now())
    }

    fn since(&self, now: Timestamp) -> i64 {
        now.as_millis() - self.began.as_millis()
    }

    /// A chain there is, and one of its tokens.
    fn pick(&self, chain: usize, back: usize) -> Option<(usize, usize)> {
        let chain = self.given.len().checked_sub(1 + chain)?;
        Some((chain, self.given[chain].len().saturating_sub(1 + back)))
    }

    /// Which session service hears of it.
    fn session(&self, i: usize) -> usize {
        i % self.world.sessions.len()
    }

    async fn present(
        &mut self,
        chain: usize,
        place: usize,
        auth: usize,
        elsewhere: bool,
    ) -> Expected {
        let (expected, answer) = self.ask(chain, place, auth, elsewhere).await;
        self.check(chain, expected, &answer);
        expected
    }

    /// What should be answered, and what is.
    async fn ask(
        &mut self,
        chain: usize,
        place: usize,
        auth: usize,
        elsewhere: bool,
    ) -> (Expected, Seen) {
        let address = address(elsewhere);
        let counter = i64::try_from(place).unwrap() + 1;
        let clocks = self.clocks(auth);
        let token = self.given[chain][place].refresh.clone();
        let answer = self.world.refresh_from(auth, &token, address).await;
        let expected = self.model.refresh(chain, counter, clocks, elsewhere, false);
        (expected, answer)
    }

    /// An answer that never arrives: the client does not know the successor.
    async fn lose(&mut self, chain: usize, place: usize, auth: usize) {
        let (expected, answer) = self.ask(chain, place, auth, false).await;
        let status = match expected {
            Expected::Token(_) => 200,
            Expected::Refused => 401,
            Expected::TryLater => 503,
        };
        assert_eq!(answer.status, status, "{answer:?}");
    }

    /// The store stands still for so many seconds, while the client asks every second; all of it is done at the thaw.
    async fn freeze(&mut self, chain: usize, place: usize, auth: usize, seconds: u64) {
        let clock = self.world.auths[auth].own.clock.clone();
        let asked_at = clock.now();
        self.world.advance(Duration::from_secs(seconds));
        let thawed_at = clock.now();
        for second in 0..seconds {
            clock.set(asked_at.plus(Duration::from_secs(second)));
            self.present(chain, place, auth, false).await;
        }
        clock.set(thawed_at);
    }

    /// Two who have the same token refresh in turns, each with the newest that they were given.
    async fn take_turns(&mut self, chain: usize, place: usize, pause: u64) {
        let mut held = [place; 2];
        for turn in 0..6 {
            let party = turn % 2;
            self.world.advance(Duration::from_millis(pause));
            let elsewhere = party == 1;
            match self.present(chain, held[party], party, elsewhere).await {
                Expected::Token(counter) => held[party] = usize::try_from(counter).unwrap() - 1,
                Expected::Refused => return,
                Expected::TryLater => {}
            }
        }
    }

    async fn reauthenticate(&mut self, chain: usize, place: usize, auth: usize, elsewhere: bool) {
        let given = &self.given[chain][place];
        let claims = given.claims();
        let at = |claim: &str| claims[claim].as_i64().unwrap();
        let (clocks, second) = (self.clocks(auth), self.world.auths[auth].own.clock.now());
        if !(at("iat")..at("exp")).contains(&second.as_secs()) {
            return;
        }
        let is_over = !self.model.chains[chain].lives(clocks[0]);
        let call = self.world.reauthenticate(auth, given, address(elsewhere));
        let answer = call.await;
        let counter = i64::try_from(place).unwrap() + 1;
        let expected = self.model.refresh(chain, counter, clocks, elsewhere, true);
        // By the access token, as soon as auth has heard that the session is over; by the refresh token before.
        if expected == Expected::Refused || (is_over && answer.status == 401) {
            assert_eq!(answer.status, 401, "{answer:?}");
            return;
        }
        self.check(chain, expected, &answer);
        if answer.status == 200 {
            let renewed = answer.tokens().claims()["auth_time"].as_i64().unwrap();
            let by_store = self.store_clock().as_secs();
            // Now, and not ahead of the store's clock.
            let least = at("auth_time").max(second.as_secs()).min(by_store);
            assert!((least..=by_store).contains(&renewed), "{answer:?}");
        }
    }

    /// The answer is what it should be; the token of a counter is always the same bytes.
    fn check(&mut self, chain: usize, expected: Expected, answer: &Seen) {
        match expected {
            Expected::Refused => answer.refused(),
            Expected::TryLater => assert_eq!(answer.status, 503, "{answer:?}"),
            Expected::Token(counter) => {
                let tokens = answer.tokens();
                let place = usize::try_from(counter).unwrap() - 1;
                match self.given[chain].get(place) {
                    Some(known) => assert_eq!(tokens.refresh, known.refresh, "{chain}/{counter}"),
                    None => self.given[chain].push(tokens),
                }
                assert!(place < self.given[chain].len());
            }
        }
    }

    async fn act(&mut self, act: &Act) {
        match *act {
            Act::Pause(ms) => self.world.advance(Duration::from_millis(ms)),
            Act::LogIn(auth) => self.log_in(auth).await,
            Act::Present {
                chain,
                back,
                auth,
                elsewhere,
                with_password,
            } => {
                let Some((chain, place)) = self.pick(chain, back) else {
                    return;
                };
                if with_password {
                    self.reauthenticate(chain, place, auth, elsewhere).await;
                } else {
                    self.present(chain, place, auth, elsewhere).await;
                }
            }
            Act::Lose { chain, auth } => {
                if let Some((chain, place)) = self.pick(chain, 0) {
                    self.lose(chain, place, auth).await;
                }
            }
            Act::Freeze {
                chain,
                back,
                auth,
                seconds,
            } => {
                if let Some((chain, place)) = self.pick(chain, back) {
                    self.freeze(chain, place, auth, seconds).await;
                }
            }
            Act::TakeTurns { chain, pause } => {
                if let Some((chain, place)) = self.pick(chain, 0) {
                    self.take_turns(chain, place, pause).await;
                }
            }
            Act::Forge { chain, back } => {
                if let Some((chain, place)) = self.pick(chain, back) {
                    let mut forged = self.given[chain][place].refresh.clone();
                    let last = forged.pop().unwrap();
                    forged.push(if last == 'A' { 'Q' } else { 'A' });
                    self.world.refresh(0, &forged).await.refused();
                }
            }
            Act::LogOut { chain, auth } => {
                if let Some((chain, place)) = self.pick(chain, 0) {
                    self.log_out(chain, place, auth).await;
                }
            }
            Act::Close { chain, session } => {
                if let Some((chain, _)) = self.pick(chain, 0) {
                    self.close(chain, self.session(session)).await;
                }
            }
            Act::Suspend(auth) => self.suspend(auth).await,
            Act::Privileged(is) => {
                self.model.is_privileged = is;
                self.world
                    .role
                    .holds(if is { &["users:write"] } else { &[] });
            }
            Act::RoleDown(is) => {
                self.model.is_role_down = is;
                self.world.role.is_down(is);
            }
            Act::Auth(i, ahead) => {
                let now = off(self.world.clock.now(), ahead);
                self.world.auths[i].own.clock.set(now);
            }
            Act::Session(i, ahead) => {
                let now = off(self.world.clock.now(), ahead);
                self.world.sessions[self.session(i)].own.clock.set(now);
            }
            Act::NewKey | Act::DropKey => self.rotate(matches!(act, Act::NewKey)).await,
            Act::RestartAuth(i) => self.world.restart_auth(i).await,
            Act::RestartSession(i) => self.world.restart_session(self.session(i)).await,
            Act::RestartAll => self.world.restart_all_after(|_| {}).await,
        }
    }

    async fn log_in(&mut self, auth: usize) {
        let now = self.auth_now(auth);
        let email = self.email.clone();
        let answer = self.world.try_log_in(auth, &email).await;
        let expected = self.model.log_in(now);
        if expected == Expected::Token(1) {
            self.given.push(Vec::new());
            self.check(self.given.len() - 1, expected, &answer);
        } else {
            assert_eq!(answer.status, 503, "{answer:?}");
        }
    }

    async fn log_out(&mut self, chain: usize, place: usize, auth: usize) {
        let answer = self.world.log_out(auth, &self.given[chain][place]).await;
        let key = self.model.chains[chain].keys[place];
        if self.model.ring.contains(&key) {
            assert_eq!(answer.status, 204, "{answer:?}");
            let now = self.session_now(self.session(auth));
            self.model.close(chain, now);
        } else {
            answer.refused();
        }
    }

    async fn close(&mut self, chain: usize, session: usize) {
        let path = "/internal/v1/sessions/close";
        let call = self
            .world
            .call(Service::Auth, Service::Session, session, Method::POST, path);
        let body = json!({
            "user_id": self.user, "session_id": self.given[chain][0].session,
            "origin": {"request_id": "r-1"},
        });
        let answer = call.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        self.model.close(chain, self.session_now(session));
    }

    async fn suspend(&mut self, auth: usize) {
        for status in ["suspended", "active"] {
            self.status += 1;
            let answer = self
                .world
                .set_status(auth, self.user, status, self.status + 1)
                .await;
            assert_eq!(answer.body["sessions_closed"], true, "{answer:?}");
        }
        let now = self.session_now(self.session(auth));
        for chain in 0..self.given.len() {
            self.model.close(chain, now);
        }
    }

    async fn rotate(&mut self, is_new: bool) {
        if is_new {
            let id = self.model.ring.iter().max().unwrap() + 1;
            self.model.ring.insert(0, id);
            self.ring.insert(0, new_key_ring(&format!("k{id}")));
        } else if self.ring.len() > 1 {
            self.model.ring.pop();
            self.ring.pop();
        }
        self.world.rotate(self.ring.join(",")).await;
    }

    /// What every session service says of the last `count` chains.
    async fn compare(&self, what: &str, count: usize) {
        let known = self.model.chains.iter().zip(&self.given);
        for (chain, given) in known.rev().take(count) {
            for i in 0..self.world.sessions.len() {
                let state = self.world.state(i, &given[0]).await;
                let expected = match chain.lives(self.session_now(i)) {
                    true => SessionState::Good,
                    false => SessionState::Closed,
                };
                assert_eq!(state, expected, "{what}: {chain:?}");
            }
        }
    }

    async fn play(mut self, acts: &[Act]) {
        let before = self.world.ground.events().await.len();
        self.act(&Act::LogIn(0)).await;
        for (i, act) in acts.iter().enumerate() {
            self.act(act).await;
            self.compare(&format!("{i}: {act:?}"), NEWEST).await;
        }
        self.compare("in the end", usize::MAX).await;
        // Whoever lives goes on, and nobody else.
        self.act(&Act::RoleDown(false)).await;
        for chain in 0..self.given.len() {
            self.present(chain, self.given[chain].len() - 1, 0, false)
                .await;
        }
        let mut events = self.world.ground.events().await.split_off(before);
        events.sort_unstable();
        self.model.events.sort_unstable();
        assert_eq!(events, self.model.events);
    }
}

async fn play(world: &mut World, acts: &[Act]) {
    world.advance(Duration::from_secs(1));
    for replica in world.auths.iter().chain(&world.sessions) {
        replica.own.clock.set(world.clock.now());
    }
    world.role.holds(&[]);
    world.role.is_down(false);
    let ring = vec![new_key_ring("k1")];
    world.rotate(ring[0].clone()).await;
    let email = format!("u{}@example.com", world.clock.now().as_millis());
    let user = world.register(&email).await;
    let model = Model {
        ring: vec![1],
        ..Model::default()
    };
    let began = world.clock.now();
    let run = Run {
        world,
        model,
        user,
        email,
        began,
        given: Vec::new(),
        ring,
        status: 1,
    };
    run.play(acts).await;
}

fn check(store: Store, cases: usize) {
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let system = actix_web::rt::System::new();
    let world = RefCell::new(system.block_on(World::start(store)));
    proptest!(config, |(acts in proptest::collection::vec(act(), 20..80))| {
        system.block_on(play(&mut world.borrow_mut(), &acts));
    });
}

#[test]
fn on_redis_interleavings_are_as_the_model_says() {
    check(Store::Redis, rounds(8, 100));
}

#[test]
fn on_sqlite_interleavings_are_as_the_model_says() {
    check(Store::Sqlite, rounds(8, 100));
}
