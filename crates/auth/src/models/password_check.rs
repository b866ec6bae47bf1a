//! The one way a password is compared with an account, for every operation that asks for one (SECURITY rules 10
//! to 12): first it is counted, then hashed, and a refusal takes as long whatever its reason.

use tokio::time::{Instant, sleep_until};
use ud_db::DbConn;
use ud_http::SecurityNotice;
use ud_kernel::{
    UserId,
    models::{CredentialStatus, Origin},
};
use zeroize::Zeroizing;

use super::{
    credential::StoredCredential,
    credential_store,
    error::AuthError,
    guess_limit::{Charge, Guess},
    identifier::Identifier,
    identifier_store,
    password_hash::PasswordHash,
};
use crate::state::AuthState;

/// Whose password it is meant to be.
#[derive(Debug, Clone)]
pub enum Account {
    /// Of whoever has this identifier, as typed.
    Named(String),
    /// Of this user, who proved to be logged in. Counted under the email address, together with logins by it.
    Own(UserId),
}

/// A password that somebody offers.
pub struct PasswordAttempt {
    /// For whom.
    pub account: Account,
    /// As typed.
    pub password: Zeroizing<String>,
    /// What the client's address is counted under.
    pub address: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What is stored about the account, and how it is counted.
struct Found {
    guess: Guess,
    wait: Option<u32>,
    credential: Option<StoredCredential>,
}

/// The credential that `attempt` opens. `matched` remembers the hash that the password matched: over an unchanged
/// one it is right without another guess.
///
/// # Errors
/// [`AuthError::InvalidCredentials`] for unknown, wrong and deleted; [`AuthError::Suspended`] only after a right
/// password; [`AuthError::TooManyAttempts`]. None of them comes before the answer floor. [`AuthError::Busy`] or
/// [`AuthError::Store`] when it may succeed later.
pub async fn check_password(
    state: &AuthState,
    attempt: &PasswordAttempt,
    matched: &mut Option<PasswordHash>,
) -> Result<StoredCredential, AuthError> {
    let floor = Instant::now() + state.passwords.answer_floor();
    let outcome = check(state, attempt, matched).await;
    if let Err(
        AuthError::InvalidCredentials | AuthError::Suspended | AuthError::TooManyAttempts(_),
    ) = outcome
    {
        sleep_until(floor).await;
    }
    outcome
}

async fn check(
    state: &AuthState,
    attempt: &PasswordAttempt,
    matched: &mut Option<PasswordHash>,
) -> Result<StoredCredential, AuthError> {
    let found = find(state, attempt).await?;
    let hash = found
        .credential
        .as_ref()
        .and_then(|credential| credential.password_hash.as_ref());
    let is_known = hash.is_some() && hash == matched.as_ref();
    if !is_known && !guess(state, attempt, &found, hash).await? {
        note_failure(state, &found, &attempt.origin);
        return Err(AuthError::InvalidCredentials);
    }
    let Some(credential) = found.credential.as_ref() else {
        return Err(AuthError::InvalidCredentials);
    };
    matched.clone_from(&credential.password_hash);
    match credential.status {
        CredentialStatus::Active => Ok(credential.clone()),
        CredentialStatus::Suspended => {
            note_failure(state, &found, &attempt.origin);
            Err(AuthError::Suspended)
        }
        CredentialStatus::Deleted => Err(AuthError::InvalidCredentials),
    }
}

/// Counts a guess, and looks whether it is right.
async fn guess(
    state: &AuthState,
    attempt: &PasswordAttempt,
    found: &Found,
    hash: Option<&PasswordHash>,
) -> Result<bool, AuthError> {
    let charge = charge(state, found)
        .await
        .inspect_err(|error| note_limit(state, error, &found.guess, &attempt.origin))?;
    state.steps.at("password.counted").await;
    let verdict = state.passwords.verify(&attempt.password, hash).await;
    let limit = state.guesses.clone();
    match &verdict {
        Ok(true) => state.db.tx(move |conn| limit.settle(conn, &charge)).await?,
        // Counted already.
        Ok(false) => {}
        Err(_) => {
            let taken_back = state
                .db
                .tx(move |conn| limit.take_back(conn, &charge))
                .await;
            if let Err(error) = taken_back {
                log::warn!("a guess that was not looked at stays counted: {error}");
            }
        }
    }
    verdict
}

async fn charge(state: &AuthState, found: &Found) -> Result<Charge, AuthError> {
    if let Some(wait) = found.wait {
        return Err(AuthError::TooManyAttempts(wait));
    }
    let (limit, guess, now) = (
        state.guesses.clone(),
        found.guess.clone(),
        state.clock.now(),
    );
    state
        .db
        .tx(move |conn| limit.charge(conn, &guess, now))
        .await
}

async fn find(state: &AuthState, attempt: &PasswordAttempt) -> Result<Found, AuthError> {
    let (limit, now) = (state.guesses.clone(), state.clock.now());
    let (account, address) = (attempt.account.clone(), attempt.address.clone());
    state
        .db
        .read(move |conn| {
            let (name, credential) = match &account {
                Account::Named(name) => (name.clone(), find_named(conn, name)?),
                Account::Own(user_id) => {
                    let identifiers = identifier_store::of_user(conn, *user_id)?;
                    let credential = credential_store::find(conn, *user_id)?;
                    (identifiers.email_canonical.unwrap_or_default(), credential)
                }
            };
            let guess = limit.guess(&name, &address);
            Ok(Found {
                wait: limit.wait(conn, &guess, now)?,
                guess,
                credential,
            })
        })
        .await
}

fn find_named(conn: &mut DbConn, name: &str) -> Result<Option<StoredCredential>, AuthError> {
    match Identifier::parse(name) {
        Ok(identifier) => Ok(credential_store::find_by_identifier(conn, &identifier)?),
        Err(_) => Ok(None),
    }
}

/// Tells the audit log of a password that was refused (SECURITY rule 33); who is the target only if they exist.
fn note_failure(state: &AuthState, found: &Found, origin: &Origin) {
    let (target_type, target_id) = match &found.credential {
        Some(credential) => ("user", credential.user_id.to_string()),
        None => ("identifier", found.guess.account().to_owned()),
    };
    state.security_log.note(SecurityNotice {
        event: "login_failed",
        origin: origin.clone(),
        target_type,
        target_id,
    });
}

/// Tells the audit log that an account is locked for a while.
fn note_limit(state: &AuthState, error: &AuthError, guess: &Guess, origin: &Origin) {
    if matches!(error, AuthError::TooManyAttempts(_)) {
        state.security_log.note(SecurityNotice {
            event: "rate_limited",
            origin: origin.clone(),
            target_type: "identifier",
            target_id: guess.account().to_owned(),
        });
    }
}
