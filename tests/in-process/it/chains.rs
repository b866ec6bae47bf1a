//! What refreshing should do, written down once more as plainly as possible: chains of tokens by number, clocks as
//! milliseconds since the test began.

/// A session and its refresh tokens, as the model has them.
#[derive(Debug, Clone)]
pub struct Chain {
    pub counter: i64,
    created: i64,
    seen: i64,
    idle: i64,
    absolute: i64,
    elsewhere: bool,
    /// When each token was rotated, by the store's clock, from counter 1 on.
    rotated: Vec<i64>,
    /// The last late repetition: at which counter, and from elsewhere or not; and how many there were.
    late: Option<(i64, bool)>,
    lates: usize,
    pub is_over: bool,
    /// The key that tags each token, from counter 1 on.
    pub keys: Vec<usize>,
}

/// Ordinary and privileged: idle and absolute lifetimes.
const LIFETIMES: [(i64, i64); 2] = [
    (14 * 86_400_000, 30 * 86_400_000),
    (3_600_000, 12 * 3_600_000),
];
/// How far the session service's clock may be from others.
const APART: i64 = 300_000;

/// What a client should see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The token of that counter.
    Token(i64),
    Refused,
    TryLater,
}

#[derive(Debug, Default)]
pub struct Model {
    pub chains: Vec<Chain>,
    /// Ids of the keys of auth's ring, the one that tags first.
    pub ring: Vec<usize>,
    pub is_privileged: bool,
    pub is_role_down: bool,
    pub events: Vec<&'static str>,
}

impl Chain {
    fn end(&self, idle: i64, absolute: i64) -> i64 {
        (self.seen + idle).min(self.created + absolute)
    }

    fn ends_at(&self) -> i64 {
        self.end(self.idle, self.absolute)
    }

    pub fn lives(&self, now: i64) -> bool {
        !self.is_over && now < self.ends_at()
    }
}

impl Model {
    fn lifetime(&self) -> (i64, i64) {
        LIFETIMES[usize::from(self.is_privileged)]
    }

    pub fn log_in(&mut self, now: i64) -> Expected {
        if self.is_role_down {
            return Expected::TryLater;
        }
        let (idle, absolute) = self.lifetime();
        self.chains.push(Chain {
            counter: 1,
            created: now,
            seen: now,
            idle,
            absolute,
            elsewhere: false,
            rotated: Vec::new(),
            late: None,
            lates: 0,
            is_over: false,
            keys: vec![self.ring[0]],
        });
        self.events.push("user_logged_in");
        Expected::Token(1)
    }

    /// The token with that counter is presented, perhaps with the password. Clocks: auth's, and the store's.
    pub fn refresh(
        &mut self,
        chain: usize,
        counter: i64,
        [now, by_store]: [i64; 2],
        elsewhere: bool,
        with_password: bool,
    ) -> Expected {
        let lifetime = self.lifetime();
        let is_privileged = self.is_privileged;
        let chain = &mut self.chains[chain];
        let is_known = |key: &usize| self.ring.contains(key);
        let place = |counter: i64| usize::try_from(counter - 1).unwrap();
        if !is_known(&chain.keys[place(counter)]) {
            return Expected::Refused;
        }
        if self.is_role_down {
            return Expected::TryLater;
        }
        if !chain.lives(now) {
            return Expected::Refused;
        }
        let behind = chain.counter - counter;
        let rotated = chain.rotated.get(place(counter)).copied();
        let repeats = behind <= 8 && rotated.is_some_and(|at| by_store < at + 10_000);
        let again = chain.late.is_some_and(|(at, _)| at == chain.counter);
        let follows = chain.late.is_some_and(|(at, _)| at == chain.counter - 1);
        let is_late = behind > 0 && !repeats;
        let is_in_time = !is_privileged || rotated.is_some_and(|at| by_store < at + 60_000);
        let is_lost_answer = behind == 1 && is_in_time && (again || (!follows && chain.lates < 5));
        if is_late && !is_lost_answer {
            chain.is_over = true;
            self.events.push("refresh_token_reused");
            return Expected::Refused;
        }
        if is_late && !is_known(&chain.keys[place(chain.counter)]) {
            return Expected::Refused;
        }
        let idle = chain.idle.min(lifetime.0);
        let absolute = chain.absolute.min(lifetime.1);
        if now >= chain.end(idle, absolute) {
            chain.is_over = true;
            self.events.push("session_closed");
            return Expected::Refused;
        }
        if with_password {
            self.events.push("user_reauthenticated");
        }
        if is_late {
            if chain.late != Some((chain.counter, elsewhere)) {
                self.events.push("refresh_token_repeated_late");
            }
            chain.lates += usize::from(!again);
            chain.late = Some((chain.counter, elsewhere));
            return Expected::Token(chain.counter);
        }
        if repeats {
            if chain.elsewhere != elsewhere {
                self.events.push("refresh_token_replayed");
            }
            let is_known = is_known(&chain.keys[place(chain.counter)]);
            return match is_known {
                true => Expected::Token(chain.counter),
                // The key is gone with which it could be made once more.
                false => Expected::Refused,
            };
        }
        chain.counter += 1;
        chain.rotated.push(by_store);
        chain.seen = chain.seen.max(now);
        (chain.idle, chain.absolute, chain.elsewhere) = (idle, absolute, elsewhere);
        chain.keys.push(self.ring[0]);
        Expected::Token(chain.counter)
    }

    /// A session is closed by a session service with that clock; it is over for everybody, from now on.
    pub fn close(&mut self, chain: usize, now: i64) {
        let chain = &mut self.chains[chain];
        if !chain.is_over && now < chain.ends_at() + APART {
            self.events.push("session_closed");
        }
        chain.is_over = true;
    }
}
