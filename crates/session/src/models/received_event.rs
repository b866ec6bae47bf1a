//! Applies other services' events. Each effect only grows (an epoch, a not-before) or ends something, so an
//! event that arrives twice, or after the direct call it repeats, changes nothing: no inbox is needed.

use std::collections::HashSet;

use serde::Deserialize;
use ud_events::{Batch, EnvelopeError, Event, EventType, Receipt};
use ud_kernel::{
    SessionId, Timestamp, UserId,
    models::{NotBefore, RevokedKey},
};

use super::{
    error::SessionError,
    session_store::{CloseOrder, Closing, SessionStore},
};

/// Details of `credentials_epoch_raised`.
#[derive(Deserialize)]
struct EpochRaised {
    min_epoch: i64,
    #[serde(default)]
    except_session_id: Option<SessionId>,
}

/// Details of `logout_requested`.
#[derive(Deserialize)]
struct LogoutRequested {
    session_id: SessionId,
}

/// What an event asks of the store.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    None,
    Close(Closing),
    NotBefore(NotBefore),
    RevokeKey(RevokedKey),
}

/// Applies the events of `batch` in their order. One that asks for nothing that can be done is parked and
/// holds back what follows on its subject.
///
/// # Errors
/// If the store fails: the sender will send the batch again.
pub async fn receive(
    store: &dyn SessionStore,
    batch: Batch,
    now: Timestamp,
) -> Result<Receipt, SessionError> {
    let mut receipt = Receipt {
        accepted: Vec::new(),
        parked: batch.parked,
    };
    let mut held = HashSet::new();
    for event in batch.events {
        if held.contains(&event.subject) {
            continue;
        }
        match effect(&event) {
            Ok(effect) => {
                apply(store, effect, &event, now).await?;
                receipt.accepted.push(event.id);
            }
            Err(error) => {
                log::error!("event {} ({}) is parked: {error}", event.id, event.kind);
                held.insert(event.subject);
                receipt.parked.push(event.id);
            }
        }
    }
    Ok(receipt)
}

fn effect(event: &Event) -> Result<Effect, EnvelopeError> {
    match event.kind {
        EventType::CREDENTIALS_EPOCH_RAISED => {
            let details: EpochRaised = event.details()?;
            Ok(Effect::Close(Closing::Below {
                min_epoch: details.min_epoch,
                except: details.except_session_id,
            }))
        }
        EventType::LOGOUT_REQUESTED => {
            let details: LogoutRequested = event.details()?;
            Ok(Effect::Close(Closing::One(details.session_id)))
        }
        EventType::SIGNING_KEY_REVOKED => Ok(Effect::RevokeKey(event.details()?)),
        EventType::ROLE_UPDATED if event.data.details.is_empty() => Ok(Effect::None),
        EventType::ROLE_UPDATED | EventType::ROLE_DELETED | EventType::ROLE_UNASSIGNED => {
            let not_before: NotBefore = event.details()?;
            if not_before.user_id.is_some() == not_before.role.is_some() {
                return Err(EnvelopeError::Invalid("details"));
            }
            Ok(Effect::NotBefore(not_before))
        }
        _ => Ok(Effect::None),
    }
}

async fn apply(
    store: &dyn SessionStore,
    effect: Effect,
    event: &Event,
    now: Timestamp,
) -> Result<(), SessionError> {
    match effect {
        Effect::None => Ok(()),
        Effect::NotBefore(not_before) => store.set_not_before(not_before, now).await,
        Effect::RevokeKey(key) => store.revoke_key(key, now).await,
        Effect::Close(closing) => {
            let user_id = UserId::from_uuid(event.subject);
            let order = CloseOrder {
                user_id,
                closing,
                origin: event.origin(),
                now,
            };
            store.close(order).await.map(drop)
        }
    }
}
