//! The rules, written down a third time: as plainly as possible, by numbers instead of ids.

use std::{collections::HashMap, time::Duration};

use session_service::models::session::{FIRST_COUNTER, Refusal};
use ud_kernel::Timestamp;

/// Users; a session's user is its number modulo this.
pub const USERS: usize = 2;

/// What a session is to the model.
#[derive(Debug, Clone)]
pub struct Known {
    pub epoch: i64,
    pub counter: i64,
    pub created: Timestamp,
    pub seen: Timestamp,
    pub idle: u64,
    pub elsewhere: bool,
    /// When each of its tokens was rotated, by the store's clock; by counter, from 1 on.
    pub rotated: Vec<Timestamp>,
    /// The last late repetition: of which counter, from elsewhere or not; and how many there were.
    pub late: Option<(i64, bool)>,
    pub lates: usize,
    pub ended: bool,
    pub events: usize,
}

pub const ABSOLUTE: u64 = 1200;

impl Known {
    pub fn end(&self, idle: u64) -> Timestamp {
        let absolute = self.created.plus(Duration::from_secs(ABSOLUTE));
        self.seen.plus(Duration::from_secs(idle)).min(absolute)
    }

    pub fn lives(&self, now: Timestamp) -> bool {
        !self.ended && now < self.end(self.idle)
    }

    /// Whether it may live by a clock that is five minutes behind.
    pub fn may_live(&self, now: Timestamp) -> bool {
        self.lives(now.minus(Duration::from_secs(300)))
    }
}

/// What a store would know.
#[derive(Default)]
pub struct Model {
    pub sessions: HashMap<usize, Known>,
    pub min_epoch: HashMap<usize, i64>,
    pub not_before_of_user: HashMap<usize, i64>,
    pub not_before_of_role: i64,
}

pub type Expected = Result<i64, Refusal>;

impl Model {
    pub fn allows(&self, user: usize, epoch: i64, pv: i64) -> Result<(), Refusal> {
        if epoch < *self.min_epoch.get(&user).unwrap_or(&0) {
            return Err(Refusal::EpochTooOld);
        }
        if pv < *self.not_before_of_user.get(&user).unwrap_or(&0) || pv < self.not_before_of_role {
            return Err(Refusal::PolicyStale);
        }
        Ok(())
    }

    pub fn create(
        &mut self,
        slot: usize,
        epoch: i64,
        pv: i64,
        idle: u32,
        now: Timestamp,
    ) -> Expected {
        self.allows(slot % USERS, epoch, pv)?;
        match self.sessions.get(&slot) {
            Some(s) if s.lives(now) && s.counter == FIRST_COUNTER => Ok(FIRST_COUNTER),
            Some(_) => Err(Refusal::Closed),
            None => {
                let session = Known {
                    epoch,
                    counter: FIRST_COUNTER,
                    created: now,
                    seen: now,
                    idle: idle.into(),
                    elsewhere: false,
                    rotated: Vec::new(),
                    late: None,
                    lates: 0,
                    ended: false,
                    events: 1,
                };
                self.sessions.insert(slot, session);
                Ok(FIRST_COUNTER)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one act")]
    pub fn rotate(
        &mut self,
        slot: usize,
        counter: i64,
        epoch: i64,
        pv: i64,
        now: Timestamp,
        by_store: Timestamp,
        idle: u32,
        elsewhere: bool,
        privileged: bool,
    ) -> Expected {
        let lives = self.sessions.get(&slot).filter(|s| s.lives(now));
        let session_epoch = lives.ok_or(Refusal::Closed)?.epoch;
        if session_epoch != epoch {
            return Err(Refusal::EpochTooOld);
        }
        self.allows(slot % USERS, epoch, pv)?;
        let session = self.sessions.get_mut(&slot).unwrap();
        let behind = session.counter - counter;
        let rotated = usize::try_from(counter - 1).ok();
        let rotated = rotated
            .and_then(|place| session.rotated.get(place))
            .copied();
        let window = Duration::from_secs(10);
        let repeats = behind <= 8 && rotated.is_some_and(|at| by_store < at.plus(window));
        let mut is_late = false;
        if behind > 0 && !repeats {
            let again = session.late.is_some_and(|(at, _)| at == session.counter);
            let follows = session
                .late
                .is_some_and(|(at, _)| at == session.counter - 1);
            is_late = behind == 1
                && counter > 0
                && (!privileged || rotated.is_some_and(|at| by_store < at.plus(6 * window)))
                && (again || (!follows && session.lates < 5));
        }
        let good = behind == 0 || (behind > 0 && (repeats || is_late));
        let idle = session.idle.min(idle.into());
        if !good || now >= session.end(idle) {
            session.ended = true;
            session.events += 1;
            return Err(Refusal::Closed);
        }
        if repeats {
            session.events += usize::from(session.elsewhere != elsewhere);
            return Ok(session.counter);
        }
        if is_late {
            let again = session.late.is_some_and(|(at, _)| at == session.counter);
            session.lates += usize::from(!again);
            session.events += usize::from(session.late != Some((session.counter, elsewhere)));
            session.late = Some((session.counter, elsewhere));
            return Ok(session.counter);
        }
        session.rotated.push(by_store);
        session.counter += 1;
        session.seen = session.seen.max(now);
        session.idle = idle;
        session.elsewhere = elsewhere;
        Ok(session.counter)
    }

    pub fn close(
        &mut self,
        user: usize,
        now: Timestamp,
        mut ends: impl FnMut(usize, &mut Known) -> bool,
    ) -> u32 {
        let mut closed = 0;
        for (slot, session) in &mut self.sessions {
            if slot % USERS == user && session.may_live(now) && ends(*slot, session) {
                session.ended = true;
                session.events += 1;
                closed += 1;
            }
        }
        closed
    }
}
