//! A session, and the rules of a refresh, pure. SQLite goes by them; Redis has its own in `redis/rotate.lua`, and the model
//! test holds both to the same.

use std::time::Duration;

use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{CreateSession, RotateSession, SessionGrant},
};

use super::{
    late_repetition::{LateRepetitions, family},
    rotations::Rotations,
};

/// Counter of the first refresh token of a session.
pub const FIRST_COUNTER: i64 = 1;

/// A refresh token whose own rotation was less than this ago, by the store's clock, gets the newest one: a client whose
/// answer was lost, or several tabs of one browser.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(10);

/// As late as this, by the store's clock, the direct predecessor gets its successor again also where much is at stake, if
/// that was never presented: a process may stand still for half a minute between a rotation and its answer.
pub const LOST_ANSWER_WINDOW: Duration = Duration::from_secs(60);

/// How far this service's clock may be from those of auth, by which sessions and tokens end, and of verifiers. What
/// has ended by this clock alone is closed and revoked all the same.
pub const CLOCKS_APART: Duration = Duration::from_secs(300);

/// Live sessions a user may have; a further login closes the oldest.
pub const MAX_LIVE: usize = 100;

/// A revocation outlives the last token it concerns by twice the leeway of verifiers.
pub const TWICE_LEEWAY: Duration = Duration::from_secs(10);

/// How late a request may arrive that was on its way when a session was closed or a not-before set. What would
/// refuse it (the closed session's id, the not-before) is kept at least this long.
pub const LATE: Duration = Duration::from_secs(3600);

/// A user's `min_epoch` outlives the longest session by this.
pub const EPOCH_SLACK: Duration = Duration::from_secs(24 * 3600);

/// Longest life of a session, in seconds, taken before any login has told it.
pub const DEFAULT_ABSOLUTE: u32 = 30 * 24 * 3600;

/// One login of one user agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Chosen by auth; opens nothing by itself.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The credential's epoch at login, raised only for the session that changed the password.
    pub epoch: i64,
    /// Counter of the newest refresh token.
    pub counter: i64,
    /// Id of the key that tags the newest refresh token.
    pub key_id: String,
    /// SHA-256 of the refresh chain's nonce.
    pub nonce_hash: String,
    /// When the user logged in.
    pub created_at: Timestamp,
    /// When the user last proved who they are; never later than the store's clock when it was written.
    pub authenticated_at: Timestamp,
    /// When the session was last rotated, by auth's clock: what its idle end is counted from; never decreases.
    pub last_seen_at: Timestamp,
    /// `iat` of the newest access token.
    pub issued_at: Timestamp,
    /// `exp` of the newest access token.
    pub access_expires_at: Timestamp,
    /// The largest `exp` given out: how long a revocation of this session matters.
    pub latest_expiry: Timestamp,
    /// When it ends unless refreshed.
    pub expires_at: Timestamp,
    /// Seconds without a refresh after which it ends.
    pub idle: u32,
    /// Seconds after login at which it ends.
    pub absolute: u32,
    /// How the user proved who they are (RFC 8176).
    pub amr: Vec<String>,
    /// Client address of the last rotation.
    pub ip: Option<String>,
    /// `User-Agent` of the last rotation.
    pub user_agent: Option<String>,
    /// Number of events written about it.
    pub event_seq: i64,
    /// When it was last rotated, by the store's clock.
    pub rotations: Rotations,
    /// Its late repetitions.
    pub late: LateRepetitions,
}

/// Holds what the store knows of a user beyond one session: below it no session is made and no refresh token rotated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minimums {
    /// The user's `min_epoch`; 0 if none was ever set.
    pub min_epoch: i64,
    /// The largest living not-before of the user and of the roles; 0 if there is none.
    pub min_pv: i64,
}

/// Why nothing was made or rotated, and nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown, closed, expired, somebody else's, or another chain.
    Closed,
    /// The credentials changed since the caller read them, or since the session was made.
    EpochTooOld,
    /// The roles changed since the caller read them.
    PolicyStale,
}

/// Why a session ends. Told in its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Its user, or somebody allowed to, asked for it.
    Requested,
    /// The user's credentials or status changed.
    CredentialsChanged,
    /// Its user has [`MAX_LIVE`] newer ones.
    TooMany,
    /// It was older, or longer unused, than its user's permissions now allow.
    Expired,
    /// A counter was presented that the store has not reached: the store went back.
    CounterAhead,
    /// An old refresh token was presented: it was stolen, or copied.
    Reused,
}

impl CloseReason {
    /// Its name in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::CredentialsChanged => "credentials_changed",
            Self::TooMany => "too_many",
            Self::Expired => "expired",
            Self::CounterAhead => "counter_ahead",
            Self::Reused => "reused",
        }
    }
}

/// What a presented refresh token does to its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// One forward: the session as it is afterwards.
    Advance(Session),
    /// The newest token again, inside the window.
    Repeat {
        /// The session as it is afterwards: only `authenticated_at` may have changed.
        session: Session,
        /// Not from where the session was last rotated.
        elsewhere: bool,
    },
    /// The newest token again, after the window, beside a new access token.
    RepeatLate {
        /// The session as it is afterwards; neither of its ends has moved.
        session: Session,
        /// Whether audit has not been told of it.
        is_news: bool,
    },
    /// Nothing happens.
    Refuse(Refusal),
    /// The session ends.
    Close(CloseReason),
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

impl Minimums {
    /// Checks that a session of this epoch and policy version may be made, or its refresh token rotated.
    ///
    /// # Errors
    /// [`Refusal::EpochTooOld`] or [`Refusal::PolicyStale`].
    pub const fn check(self, epoch: i64, pv: i64) -> Result<(), Refusal> {
        if epoch < self.min_epoch {
            Err(Refusal::EpochTooOld)
        } else if pv < self.min_pv {
            Err(Refusal::PolicyStale)
        } else {
            Ok(())
        }
    }
}

impl Session {
    /// A new session, as auth asks for it. `at` is now by the store's clock, which a login does not lie ahead of.
    #[must_use]
    pub fn open(id: SessionId, new: &CreateSession, at: Timestamp) -> Self {
        let mut session = Self {
            id,
            user_id: new.user_id,
            epoch: new.epoch,
            counter: FIRST_COUNTER,
            key_id: new.key_id.clone(),
            nonce_hash: new.nonce_hash.clone(),
            created_at: new.now,
            authenticated_at: new.now.min(at),
            last_seen_at: new.now,
            issued_at: new.now,
            access_expires_at: new.now,
            latest_expiry: new.now,
            expires_at: new.now,
            idle: new.idle,
            absolute: new.absolute,
            amr: new.amr.clone(),
            ip: new.origin.ip.clone(),
            user_agent: new.origin.user_agent.clone(),
            event_seq: 0,
            rotations: Rotations::default(),
            late: LateRepetitions::default(),
        };
        session.issue(new.now, new.access_ttl, new.access_until);
        session
    }

    /// Whether `new` is the request that made this session, sent again.
    #[must_use]
    pub fn is_made_by(&self, new: &CreateSession) -> bool {
        self.user_id == new.user_id
            && self.nonce_hash == new.nonce_hash
            && self.counter == FIRST_COUNTER
    }

    /// Whether it has not expired.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Decides about a presented refresh token (docs/ARCHITECTURE.md, Refresh). `at` is now by the store's clock, which
    /// alone decides what was just now; `request.now`, auth's, serves the times in tokens and the ends.
    #[must_use]
    pub fn rotate(&self, request: &RotateSession, minimums: Minimums, at: Timestamp) -> Rotation {
        let foreign = self.user_id != request.user_id || self.nonce_hash != request.nonce_hash;
        if foreign || !self.is_alive(request.now) {
            return Rotation::Refuse(Refusal::Closed);
        }
        // Another epoch than the credential's: the order to close this session is on its way.
        if self.epoch != request.epoch {
            return Rotation::Refuse(Refusal::EpochTooOld);
        }
        if let Err(refusal) = minimums.check(request.epoch, request.pv) {
            return Rotation::Refuse(refusal);
        }
        let behind = self.counter - request.counter;
        if behind < 0 {
            return Rotation::Close(CloseReason::CounterAhead);
        }
        let repeats = behind > 0 && self.was_rotated_within(REPEAT_WINDOW, behind, at);
        let late = if behind > 0 && !repeats {
            match self.late_after(request, behind, at) {
                None => return Rotation::Close(CloseReason::Reused),
                Some(_) if !request.key_ids.contains(&self.key_id) => {
                    // It could not be made: nothing has happened.
                    return Rotation::Refuse(Refusal::Closed);
                }
                late => late,
            }
        } else {
            None
        };
        let idle = self.idle.min(request.idle);
        let absolute = self.absolute.min(request.absolute);
        if request.now >= self.end(idle, absolute) {
            return Rotation::Close(CloseReason::Expired);
        }
        let authenticated_at = self.authenticated_after(request, at);
        if repeats {
            let elsewhere =
                self.ip != request.origin.ip || self.user_agent != request.origin.user_agent;
            let session = Self {
                authenticated_at,
                ..self.clone()
            };
            return Rotation::Repeat { session, elsewhere };
        }
        if let Some((late, is_news)) = late {
            let mut session = Self {
                authenticated_at,
                late,
                ..self.clone()
            };
            session.issue_access(request.now, request.access_ttl, request.access_until);
            return Rotation::RepeatLate { session, is_news };
        }
        let counter = self.counter + 1;
        let mut next = Self {
            counter,
            key_id: request.key_id.clone(),
            authenticated_at,
            last_seen_at: self.last_seen_at.max(request.now),
            idle,
            absolute,
            ip: request.origin.ip.clone(),
            user_agent: request.origin.user_agent.clone(),
            rotations: self.rotations.and(counter, at),
            ..self.clone()
        };
        next.issue(request.now, request.access_ttl, request.access_until);
        Rotation::Advance(next)
    }

    /// What auth may sign. `access_until` of a repeated request can only shorten the access token.
    #[must_use]
    pub fn grant(&self, access_until: Option<Timestamp>, incarnation: String) -> SessionGrant {
        SessionGrant {
            session_id: self.id,
            counter: self.counter,
            key_id: self.key_id.clone(),
            issued_at: self.issued_at,
            access_expires_at: earlier(self.access_expires_at, access_until),
            refresh_expires_at: self.expires_at,
            authenticated_at: self.authenticated_at,
            amr: self.amr.clone(),
            incarnation,
        }
    }

    /// Never ahead of the store's clock, also where an earlier version wrote so.
    fn authenticated_after(&self, request: &RotateSession, at: Timestamp) -> Timestamp {
        let proved = request.reauthenticated.then_some(request.now);
        let latest = proved.map_or(self.authenticated_at, |now| self.authenticated_at.max(now));
        latest.min(at)
    }

    /// Returns whether the token so many before the newest was rotated less than `window` ago. What lies ahead of the
    /// store's clock (after a failover to a slower one) was just now.
    fn was_rotated_within(&self, window: Duration, behind: i64, at: Timestamp) -> bool {
        if behind >= self.counter {
            // No token was ever given that counter.
            return false;
        }
        let known = self.rotations.of(self.counter, behind);
        // The version before kept no times: auth's of the last rotation is the best there is.
        let rotated = known.or_else(|| (behind == 1).then_some(self.last_seen_at));
        rotated.is_some_and(|rotated| at < rotated.plus(window))
    }

    /// Returns the late repetitions after this one, and whether it is news; none where it is reuse.
    fn late_after(
        &self,
        request: &RotateSession,
        behind: i64,
        at: Timestamp,
    ) -> Option<(LateRepetitions, bool)> {
        let agents = [&self.user_agent, &request.origin.user_agent];
        let [last, this] = agents.map(|agent| family(agent.as_deref()));
        let is_in_time =
            !request.privileged || self.was_rotated_within(LOST_ANSWER_WINDOW, behind, at);
        if behind != 1 || self.counter == FIRST_COUNTER || !is_in_time || last != this {
            return None;
        }
        self.late.and(self.counter, &request.origin)
    }

    fn end(&self, idle: u32, absolute: u32) -> Timestamp {
        let idle = self.last_seen_at.plus(seconds(idle));
        idle.min(self.created_at.plus(seconds(absolute)))
    }

    /// Sets the ends of the newest tokens; an access token never outlives its session.
    fn issue(&mut self, now: Timestamp, access_ttl: u32, access_until: Option<Timestamp>) {
        self.expires_at = self.end(self.idle, self.absolute);
        self.issue_access(now, access_ttl, access_until);
    }

    fn issue_access(&mut self, now: Timestamp, access_ttl: u32, access_until: Option<Timestamp>) {
        self.issued_at = now;
        self.access_expires_at =
            earlier(now.plus(seconds(access_ttl)), access_until).min(self.expires_at);
        self.latest_expiry = self.latest_expiry.max(self.access_expires_at);
    }
}

fn earlier(at: Timestamp, until: Option<Timestamp>) -> Timestamp {
    until.map_or(at, |until| until.min(at))
}
