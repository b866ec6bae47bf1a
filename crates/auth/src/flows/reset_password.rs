//! `admin reset`: the way back in for who lost the last administrator's password (SECURITY rule 13). Whoever can run
//! it has auth's keys and database: nothing is asked but the name of the account.

use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use ud_events::{EventType, NewEvent, outbox};
use ud_kernel::{
    Service, Source, UserId,
    models::{CredentialStatus, Provenance},
    trim_identifier,
};
use zeroize::Zeroizing;

use crate::{
    models::{
        credential::{self, epoch::write_epoch_event, identifier::Identifier},
        error::AuthError,
        queue::fair_queue::Entrant,
    },
    state::AuthState,
};

/// 144 random bits as 24 characters: nobody's word, and of any permitted length.
///
/// # Errors
/// If the system gives no random bytes.
pub fn new_password() -> Result<Zeroizing<String>, AuthError> {
    let mut bytes = Zeroizing::new([0; 18]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| AuthError::Internal("no random bytes".into()))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Gives the account of `identifier` (an email address or a username) a new password, raises its epoch, and writes the
/// events that close its sessions and tell the audit log, which learns from `operator` who ran the command. Both are
/// delivered by the running service, or at its next start. With `reactivate` a suspended account can log in again; profile
/// has a command of its own for its part. No source becomes known: a machine is none. Where strangers keep the owner
/// waiting, `unlock` helps.
///
/// # Errors
/// [`AuthError::CredentialNotFound`], [`AuthError::Suspended`], [`AuthError::Store`].
pub async fn reset_password(
    state: &AuthState,
    identifier: &str,
    reactivate: bool,
    operator: &Value,
) -> Result<(UserId, Zeroizing<String>), AuthError> {
    let parsed = Identifier::parse(trim_identifier(identifier))
        .map_err(|_| AuthError::CredentialNotFound)?;
    let password = new_password()?;
    let here = Entrant {
        source: Source::of(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        has_evidence: true,
    };
    let hash = state.passwords.hash(here, &password).await?;
    let (now, operator) = (state.clock.now(), operator.clone());
    let user_id = state
        .db
        .tx(move |conn| {
            let found = credential::store::find_by_identifier(conn, &parsed)?;
            let user_id = found.ok_or(AuthError::CredentialNotFound)?.user_id;
            if !credential::store::reset_password(conn, user_id, &hash, reactivate, now)? {
                return Err(AuthError::Suspended);
            }
            let credential =
                credential::store::find(conn, user_id)?.ok_or(AuthError::CredentialNotFound)?;
            let (epoch, last, origin) = (
                credential.epoch,
                credential.event_seq,
                Provenance::default(),
            );
            let kind = EventType::PASSWORD_RESET;
            let reset = NewEvent::about(Service::Auth, kind, user_id, last - 1, now, &origin)
                .details(&operator);
            outbox::write(conn, reset)?;
            write_epoch_event(conn, user_id, epoch, last, None, now, &origin)?;
            Ok::<_, AuthError>(user_id)
        })
        .await?;
    Ok((user_id, password))
}

/// What the operator is told when there is no new password.
#[must_use]
pub fn explain(error: &AuthError) -> String {
    match error {
        AuthError::CredentialNotFound => "no account has this email address or username".to_owned(),
        AuthError::Suspended => {
            format!(
                "the account is {}: it cannot log in; `--reactivate` changes that here, and \
                 `user-profile-service admin reactivate` at profile",
                CredentialStatus::Suspended.as_str()
            )
        }
        other => other.to_string(),
    }
}
