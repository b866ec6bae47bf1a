//! A session, and the rules of a refresh: pure, so that a test can hold the clock and both stores agree.

use std::time::Duration;

use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{CreateSession, SessionGrant, StepSession},
};

/// Counter of the first refresh token of a session.
pub const FIRST_COUNTER: i64 = 1;

/// The previous refresh token gets the same successor again when it comes less than this after the step:
/// a client whose answer was lost, or two tabs of one browser.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(10);

/// How far the clock of one auth replica may be behind that of another inside [`REPEAT_WINDOW`].
pub const CLOCK_SKEW: Duration = Duration::from_secs(1);

/// How far this service's clock may be from those of auth, by which sessions and tokens end, and of verifiers. What
/// has ended by this clock alone is closed and revoked all the same.
pub const CLOCKS_APART: Duration = Duration::from_secs(300);

/// Live sessions a user may have; a further login closes the oldest.
pub const MAX_LIVE: usize = 100;

/// A revocation outlives the last token it concerns by twice the leeway of verifiers.
pub const TWICE_LEEWAY: Duration = Duration::from_secs(10);

/// How late a request may arrive that was on its way when a session was closed or a mark set. What would
/// refuse it (the closed session's id, the mark) is kept at least this long.
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
    /// When the user last proved who they are; never decreases.
    pub authenticated_at: Timestamp,
    /// When the session was last stepped (`rotated_at`); never decreases.
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
    /// Client address of the last step.
    pub ip: Option<String>,
    /// `User-Agent` of the last step.
    pub user_agent: Option<String>,
    /// Number of events written about it.
    pub event_seq: i64,
}

/// What the store knows of a user beyond one session: below it nothing is made or stepped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fences {
    /// The user's `min_epoch`; 0 if none was ever set.
    pub min_epoch: i64,
    /// The largest living mark of the user and of the roles; 0 if there is none.
    pub min_pv: i64,
}

/// Why nothing was made or stepped, and nothing changed.
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
pub enum Step {
    /// One forward: the session as it is afterwards.
    Advance(Session),
    /// The same successor again.
    Repeat {
        /// The session as it is afterwards: only `authenticated_at` may have changed.
        session: Session,
        /// Not from where the session was last stepped.
        elsewhere: bool,
    },
    /// Nothing happens.
    Refuse(Refusal),
    /// The session ends.
    Close(CloseReason),
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

impl Fences {
    /// Whether something of this epoch and policy version may be made or stepped.
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
    /// A new session, as auth asks for it.
    #[must_use]
    pub fn open(id: SessionId, new: &CreateSession) -> Self {
        let mut session = Self {
            id,
            user_id: new.user_id,
            epoch: new.epoch,
            counter: FIRST_COUNTER,
            key_id: new.key_id.clone(),
            nonce_hash: new.nonce_hash.clone(),
            created_at: new.now,
            authenticated_at: new.now,
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

    /// Decides about a presented refresh token (docs/ARCHITECTURE.md, Refresh).
    #[must_use]
    pub fn step(&self, request: &StepSession, fences: Fences) -> Step {
        let foreign = self.user_id != request.user_id || self.nonce_hash != request.nonce_hash;
        if foreign || !self.is_alive(request.now) {
            return Step::Refuse(Refusal::Closed);
        }
        // Another epoch than the credential's: the order to close this session is on its way.
        if self.epoch != request.epoch {
            return Step::Refuse(Refusal::EpochTooOld);
        }
        if let Err(refusal) = fences.check(request.epoch, request.pv) {
            return Step::Refuse(refusal);
        }
        if request.counter > self.counter {
            return Step::Close(CloseReason::CounterAhead);
        }
        let repeats = request.counter == self.counter - 1 && self.in_repeat_window(request.now);
        if request.counter < self.counter && !repeats {
            return Step::Close(CloseReason::Reused);
        }
        let idle = self.idle.min(request.idle);
        let absolute = self.absolute.min(request.absolute);
        if request.now >= self.end(idle, absolute) {
            return Step::Close(CloseReason::Expired);
        }
        if repeats {
            let elsewhere =
                self.ip != request.origin.ip || self.user_agent != request.origin.user_agent;
            let session = Self {
                authenticated_at: self.authenticated_after(request),
                ..self.clone()
            };
            return Step::Repeat { session, elsewhere };
        }
        let mut next = Self {
            counter: self.counter + 1,
            key_id: request.key_id.clone(),
            authenticated_at: self.authenticated_after(request),
            last_seen_at: self.last_seen_at.max(request.now),
            idle,
            absolute,
            ip: request.origin.ip.clone(),
            user_agent: request.origin.user_agent.clone(),
            ..self.clone()
        };
        next.issue(request.now, request.access_ttl, request.access_until);
        Step::Advance(next)
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

    fn authenticated_after(&self, request: &StepSession) -> Timestamp {
        if request.reauthenticated {
            self.authenticated_at.max(request.now)
        } else {
            self.authenticated_at
        }
    }

    fn in_repeat_window(&self, now: Timestamp) -> bool {
        now >= self.last_seen_at.minus(CLOCK_SKEW) && now < self.last_seen_at.plus(REPEAT_WINDOW)
    }

    fn end(&self, idle: u32, absolute: u32) -> Timestamp {
        let idle = self.last_seen_at.plus(seconds(idle));
        idle.min(self.created_at.plus(seconds(absolute)))
    }

    /// Sets the ends of the newest tokens; an access token never outlives its session.
    fn issue(&mut self, now: Timestamp, access_ttl: u32, access_until: Option<Timestamp>) {
        self.expires_at = self.end(self.idle, self.absolute);
        self.issued_at = now;
        self.access_expires_at =
            earlier(now.plus(seconds(access_ttl)), access_until).min(self.expires_at);
        self.latest_expiry = self.latest_expiry.max(self.access_expires_at);
    }
}

fn earlier(at: Timestamp, until: Option<Timestamp>) -> Timestamp {
    until.map_or(at, |until| until.min(at))
}
