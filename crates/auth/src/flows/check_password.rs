//! The one way a password is compared with an account, for every operation that asks for one (SECURITY rules 10 to 12).
//! In this order: a ticket, one read, a turn in the hash queue, the count, the hash. What is refused before the count
//! leaves no row, and a refusal of the password takes as long whatever its reason.

use tokio::time::{Instant, sleep_until};
use ud_db::DbConn;
use ud_kernel::{
    EventType, SessionId, Source, UserId,
    models::{CredentialStatus, Provenance},
};
use ud_service::SecurityEvent;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::hashing::Hashing;
use crate::{
    models::{
        credential::{self, StoredCredential, identifier::Identifier},
        device::{self, token::DeviceToken},
        error::AuthError,
        password::hash::PasswordHash,
        place,
        queue::fair_queue::{Entrant, Turn},
        throttle::{self, Attempt, Charge, Evidence, LoginThrottle},
        unlock::{self, code::UnlockCode},
    },
    state::AuthState,
};

/// Whose password it is meant to be.
#[derive(Debug, Clone)]
pub enum Account {
    /// Of whoever has this identifier, as typed.
    Named(String),
    /// Of this user, whose access token for this session came with the request.
    Own(UserId, SessionId),
}

/// A password that somebody offers.
pub struct PasswordAttempt {
    /// For whom.
    pub account: Account,
    /// As typed.
    pub password: Zeroizing<String>,
    /// A device token whose tag is good.
    pub device_token: Option<DeviceToken>,
    /// A code of an operator.
    pub unlock_code: Option<UnlockCode>,
    /// Who asks.
    pub source: Source,
    /// Where it comes from.
    pub origin: Provenance,
}

impl PasswordAttempt {
    /// Whether it is let in by the tickets kept for those who are known.
    const fn is_vouched(&self) -> bool {
        self.device_token.is_some() || matches!(self.account, Account::Own(..))
    }
}

/// A right password of an active account. It is no completed login yet: whoever completes it settles the charge
/// (`complete_login.rs`), and where more than a password is asked for that comes in between.
#[derive(Debug)]
#[must_use = "the charge is settled or refunded"]
pub struct RightPassword {
    /// Of the account.
    pub credential: StoredCredential,
    /// The device that the token of the request is about, if it is one of the account's.
    pub device: Option<DeviceToken>,
    /// What has been counted; nothing if the password was known to be right.
    pub counted: Option<Counted>,
}

/// A try that was counted.
#[derive(Debug)]
pub enum Counted {
    /// With the others of its kind.
    Throttle(Charge),
    /// As one of an unlock code, of which this is stored.
    UnlockCode(String),
}

/// What the one read finds.
struct Found {
    attempt: Attempt,
    wait: Option<u32>,
    credential: Option<StoredCredential>,
    device: Option<DeviceToken>,
    /// What is stored of the unlock code that is the evidence.
    code_hash: Option<String>,
}

/// The credential that `attempt` opens. `matched` remembers the hash that the password matched: over an unchanged
/// one it is right without being tried again.
///
/// # Errors
/// [`AuthError::InvalidCredentials`] for unknown, wrong and deleted; [`AuthError::Suspended`] only after a right
/// password; [`AuthError::TooManyAttempts`]. None of them comes before the minimum response time. [`AuthError::Busy`] or
/// [`AuthError::Store`] when it may succeed later.
pub async fn check_password(
    state: &AuthState,
    attempt: &PasswordAttempt,
    matched: &mut Option<PasswordHash>,
) -> Result<RightPassword, AuthError> {
    let least = Instant::now() + state.passwords.min_response_time();
    let outcome = check(state, attempt, matched).await;
    if let Err(
        AuthError::InvalidCredentials | AuthError::Suspended | AuthError::TooManyAttempts(_),
    ) = outcome
    {
        sleep_until(least).await;
    }
    outcome
}

async fn check(
    state: &AuthState,
    attempt: &PasswordAttempt,
    matched: &mut Option<PasswordHash>,
) -> Result<RightPassword, AuthError> {
    let _ticket = state.gate.enter(attempt.source, attempt.is_vouched())?;
    state.failpoints.at("password.admitted").await;
    let mut code = attempt.unlock_code.as_ref();
    loop {
        let found = find(state, attempt, code).await?;
        let hash = found
            .credential
            .as_ref()
            .and_then(|credential| credential.password_hash.as_ref());
        let is_known = hash.is_some() && hash == matched.as_ref();
        let counted = if is_known {
            None
        } else {
            match try_password(state, attempt, &found, hash).await? {
                Tried::Right(counted) => Some(counted),
                Tried::Wrong => {
                    note(state, EventType::LOGIN_FAILED, &found, &attempt.origin);
                    return Err(AuthError::InvalidCredentials);
                }
                Tried::CodeGone => {
                    // It is judged as if it had come without the code.
                    code = None;
                    continue;
                }
            }
        };
        let Some(credential) = found.credential.clone() else {
            return Err(AuthError::InvalidCredentials);
        };
        matched.clone_from(&credential.password_hash);
        let right = RightPassword {
            credential,
            device: found.device,
            counted,
        };
        return match right.credential.status {
            CredentialStatus::Active => Ok(right),
            CredentialStatus::Suspended => {
                note(state, EventType::LOGIN_FAILED, &found, &attempt.origin);
                refund(state, right).await;
                Err(AuthError::Suspended)
            }
            CredentialStatus::Deleted => Err(AuthError::InvalidCredentials),
        };
    }
}

enum Tried {
    Right(Counted),
    Wrong,
    /// The unlock code was used by somebody else meanwhile.
    CodeGone,
}

/// Counts a try, and looks whether it is right.
async fn try_password(
    state: &AuthState,
    attempt: &PasswordAttempt,
    found: &Found,
    hash: Option<&PasswordHash>,
) -> Result<Tried, AuthError> {
    if let Some(seconds) = found.wait {
        note(state, EventType::RATE_LIMITED, found, &attempt.origin);
        return Err(AuthError::TooManyAttempts(seconds));
    }
    let entrant = Entrant {
        source: attempt.source,
        has_evidence: found.attempt.evidence().is_some(),
    };
    let turn = state.passwords.enter(entrant).await?;
    let Some(counted) = count(state, attempt, found).await? else {
        return Ok(Tried::CodeGone);
    };
    let hashing = Hashing::begin(state, &found.attempt);
    state.failpoints.at("password.counted").await;
    let outcome = judge(state, attempt, found, turn, counted, hash).await;
    hashing.end();
    outcome
}

async fn judge(
    state: &AuthState,
    attempt: &PasswordAttempt,
    found: &Found,
    turn: Turn,
    counted: Counted,
    hash: Option<&PasswordHash>,
) -> Result<Tried, AuthError> {
    match state.passwords.verify(turn, &attempt.password, hash).await {
        Ok(true) => Ok(Tried::Right(counted)),
        Ok(false) if found.attempt.evidence().is_some() => Ok(Tried::Wrong),
        Ok(false) => {
            let (throttle, attempt) = (state.throttle.clone(), found.attempt.clone());
            let now = state.clock.now();
            let failed = move |conn: &mut DbConn| throttle.fail(conn, &attempt, now);
            state.db.tx(failed).await?;
            Ok(Tried::Wrong)
        }
        Err(error) => {
            refund_counted(state, found.credential.as_ref(), counted).await;
            Err(error)
        }
    }
}

/// Raises the count that the try is judged by; none if its unlock code is gone.
async fn count(
    state: &AuthState,
    attempt: &PasswordAttempt,
    found: &Found,
) -> Result<Option<Counted>, AuthError> {
    let now = state.clock.now();
    if let (Some(hash), Some(credential)) = (&found.code_hash, &found.credential) {
        let (user_id, code) = (credential.user_id, hash.clone());
        let is_good = state
            .db
            .tx(move |conn| unlock::store::count_try(conn, user_id, &code, now))
            .await?;
        return Ok(is_good.then(|| Counted::UnlockCode(hash.clone())));
    }
    let (throttle, judged) = (state.throttle.clone(), found.attempt.clone());
    let charge = state
        .db
        .tx(move |conn| throttle.raise(conn, &judged, now))
        .await
        .inspect_err(|error| {
            if matches!(error, AuthError::TooManyAttempts(_)) {
                note(state, EventType::RATE_LIMITED, found, &attempt.origin);
            }
        })?;
    Ok(Some(Counted::Throttle(charge)))
}

/// Refunds what a right password counted that led to nothing else: the next one counts as if this had not been. If that
/// fails, it stays counted.
pub async fn refund(state: &AuthState, right: RightPassword) {
    if let Some(counted) = right.counted {
        refund_counted(state, Some(&right.credential), counted).await;
    }
}

async fn refund_counted(
    state: &AuthState,
    credential: Option<&StoredCredential>,
    counted: Counted,
) {
    let user_id = credential.map(|credential| credential.user_id);
    let refunded = state
        .db
        .tx(move |conn| match (&counted, user_id) {
            (Counted::Throttle(charge), _) => LoginThrottle::refund(conn, charge),
            (Counted::UnlockCode(hash), Some(user)) => unlock::store::refund(conn, user, hash),
            (Counted::UnlockCode(_), None) => Ok(()),
        })
        .await;
    if let Err(error) = refunded {
        log::warn!("could not refund a login try that did not fail: {error}");
    }
}

/// Finds the account, the evidence and the counts, all in one call of the database.
async fn find(
    state: &AuthState,
    attempt: &PasswordAttempt,
    code: Option<&UnlockCode>,
) -> Result<Found, AuthError> {
    let (throttle, places, unlock_key) = (
        state.throttle.clone(),
        state.places.clone(),
        state.unlock_key.clone(),
    );
    let (account, source, now) = (attempt.account.clone(), attempt.source, state.clock.now());
    let (token, code) = (attempt.device_token, code.cloned());
    let latest = state.latest_time();
    state
        .db
        .read(move |conn| {
            let (typed, credential) = match &account {
                Account::Named(name) => (name.as_str(), find_named(conn, name)?),
                Account::Own(user_id, _) => ("", credential::store::find(conn, *user_id)?),
            };
            let user_id = credential.as_ref().map(|credential| credential.user_id);
            // Asked of nobody too, so that it takes as long for whom there is no account.
            let asked = user_id.unwrap_or_else(|| UserId::from_uuid(Uuid::nil()));
            let epoch = credential.as_ref().map_or(0, |credential| credential.epoch);
            let code_hash = match &code {
                Some(code) => unlock::store::find(conn, asked)?
                    .filter(|stored| unlock_key.matches(asked, code, &stored.code_hash))
                    .filter(|stored| stored.is_good(epoch, now, latest))
                    .map(|stored| stored.code_hash),
                None => None,
            };
            let device = match token {
                Some(token) => device::store::epoch_of(conn, &token, now)?
                    .filter(|of| *of == epoch && Some(token.user_id) == user_id)
                    .map(|_| token),
                None => None,
            };
            let names = places.names(asked, source);
            let is_known = place::store::is_known(conn, asked, epoch, &names, now)?;
            let evidence = match &account {
                Account::Own(_, session_id) => Some(Evidence::Session(*session_id)),
                Account::Named(_) if code_hash.is_some() => Some(Evidence::UnlockCode),
                Account::Named(_) => match device {
                    Some(token) => Some(Evidence::Device(token.device_id)),
                    None => is_known.then_some(Evidence::Place),
                },
            };
            let judged = throttle.attempt(evidence, typed, user_id, source);
            let counts = throttle::store::find_all(conn, &judged.names())?;
            Ok(Found {
                wait: throttle.wait(&judged, &counts, now),
                attempt: judged,
                credential,
                device,
                code_hash,
            })
        })
        .await
}

fn find_named(conn: &mut DbConn, name: &str) -> Result<Option<StoredCredential>, AuthError> {
    match Identifier::parse(name) {
        Ok(identifier) => Ok(credential::store::find_by_identifier(conn, &identifier)?),
        Err(_) => Ok(None),
    }
}

/// Tells the audit log of a password that was refused (SECURITY rule 33), or of a try that has to wait; who is the target
/// only if they exist.
fn note(state: &AuthState, event: EventType, found: &Found, origin: &Provenance) {
    let (target_type, target_id) = target(found);
    state.security_log.note(SecurityEvent {
        kind: event,
        origin: origin.clone(),
        target_type,
        target_id,
    });
}

/// Returns whom a security event is about: the user, if there is one.
fn target(found: &Found) -> (&'static str, String) {
    match &found.credential {
        Some(credential) => ("user", credential.user_id.to_string()),
        None => ("identifier", found.attempt.account().to_owned()),
    }
}
