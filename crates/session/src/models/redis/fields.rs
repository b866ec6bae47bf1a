//! Sessions and answers as the scripts of [`super::store`] take and give them.

use std::collections::HashMap;

use serde_json::{Value, json};
use ud_db::StoreError;
use ud_kernel::{
    Timestamp,
    models::{FeedEntry, FeedPosition, Revoked, RevokedUntil},
};

use crate::models::{
    error::SessionError,
    late_repetition::LateRepetitions,
    rotations::Rotations,
    seen::Seen,
    session::{Refusal, Session},
};

/// `object` with a further member, if there is one: Lua knows absent members, not null.
pub(super) fn with(mut object: Value, name: &str, value: Option<Value>) -> Value {
    if let (Value::Object(members), Some(value)) = (&mut object, value) {
        members.insert(name.to_owned(), value);
    }
    object
}

/// The fields of a new session's hash, named as in [`Session`]. No address and no agent are empty texts. Those of
/// rotations and late repetitions come with the first of them.
pub(super) fn fields(session: &Session) -> Value {
    json!({
        "id": session.id, "user_id": session.user_id, "epoch": session.epoch,
        "counter": session.counter, "key_id": session.key_id, "nonce_hash": session.nonce_hash,
        "created_at": session.created_at.as_millis(),
        "authenticated_at": session.authenticated_at.as_millis(),
        "last_seen_at": session.last_seen_at.as_millis(),
        "issued_at": session.issued_at.as_millis(),
        "access_expires_at": session.access_expires_at.as_millis(),
        "latest_expiry": session.latest_expiry.as_millis(),
        "expires_at": session.expires_at.as_millis(),
        "idle": session.idle, "absolute": session.absolute, "amr": json!(session.amr).to_string(),
        "ip": session.ip.as_deref().unwrap_or_default(),
        "user_agent": session.user_agent.as_deref().unwrap_or_default(),
        "event_seq": session.event_seq,
    })
}

pub(super) fn read_session(flat: &HashMap<String, String>) -> Result<Session, SessionError> {
    let optional = |name| flat.get(name).filter(|text| !text.is_empty()).cloned();
    Ok(Session {
        id: read(flat, "id")?,
        user_id: read(flat, "user_id")?,
        epoch: read(flat, "epoch")?,
        counter: read(flat, "counter")?,
        key_id: read(flat, "key_id")?,
        nonce_hash: read(flat, "nonce_hash")?,
        created_at: read_time(flat, "created_at")?,
        authenticated_at: read_time(flat, "authenticated_at")?,
        last_seen_at: read_time(flat, "last_seen_at")?,
        issued_at: read_time(flat, "issued_at")?,
        access_expires_at: read_time(flat, "access_expires_at")?,
        latest_expiry: read_time(flat, "latest_expiry")?,
        expires_at: read_time(flat, "expires_at")?,
        idle: read(flat, "idle")?,
        absolute: read(flat, "absolute")?,
        amr: serde_json::from_str(&read::<String>(flat, "amr")?).map_err(|_| unreadable("amr"))?,
        ip: optional("ip"),
        user_agent: optional("user_agent"),
        event_seq: read(flat, "event_seq")?,
        rotations: if flat.contains_key("rotated") {
            read(flat, "rotated")?
        } else {
            Rotations::default()
        },
        late: if flat.contains_key("late_counter") {
            LateRepetitions {
                counter: read(flat, "late_counter")?,
                count: read(flat, "late_count")?,
                source: read(flat, "late_source")?,
            }
        } else {
            LateRepetitions::default()
        },
    })
}

/// How far somebody has seen the stream of revocations.
pub(super) fn seen_fields(seen: &Seen) -> Value {
    let FeedPosition(ms, seq) = seen.position;
    json!({"incarnation": seen.incarnation, "ms": ms, "seq": seq})
}

/// An entry of the stream of revocations.
pub(super) fn read_entry(
    id: &str,
    flat: &HashMap<String, String>,
) -> Result<FeedEntry, SessionError> {
    let revoked = if flat.contains_key("session") {
        Revoked::Session {
            id: read(flat, "session")?,
        }
    } else if flat.contains_key("user") {
        Revoked::User {
            id: read(flat, "user")?,
            min_pv: read(flat, "min_pv")?,
        }
    } else if flat.contains_key("key") {
        Revoked::Key {
            kid: read(flat, "key")?,
        }
    } else {
        Revoked::Role {
            name: read(flat, "role")?,
            min_pv: read(flat, "min_pv")?,
        }
    };
    Ok(FeedEntry {
        position: id.parse().map_err(|_| unreadable("stream id"))?,
        revocation: RevokedUntil {
            revoked,
            until: read_time(flat, "until")?,
        },
    })
}

/// Status, session and incarnation from `{status, incarnation, field, value, ...}`; a refusal from
/// `{refusal}`.
pub(super) fn read_answer(answer: Vec<String>) -> Result<(String, Session, String), SessionError> {
    let mut parts = answer.into_iter();
    let status = parts.next().ok_or_else(|| unreadable("status"))?;
    match status.as_str() {
        "closed" => return Err(Refusal::Closed.into()),
        "epoch-too-old" => return Err(Refusal::EpochTooOld.into()),
        "policy-stale" => return Err(Refusal::PolicyStale.into()),
        _ => {}
    }
    let incarnation = parts.next().ok_or_else(|| unreadable("incarnation"))?;
    let mut flat = HashMap::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        flat.insert(name, value);
    }
    Ok((status, read_session(&flat)?, incarnation))
}

fn read<T: std::str::FromStr>(
    flat: &HashMap<String, String>,
    name: &'static str,
) -> Result<T, SessionError> {
    flat.get(name)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| unreadable(name))
}

fn read_time(
    flat: &HashMap<String, String>,
    name: &'static str,
) -> Result<Timestamp, SessionError> {
    read(flat, name).map(Timestamp::from_millis)
}

pub(super) fn unreadable(name: &'static str) -> SessionError {
    StoreError::Internal(format!("Redis: `{name}` is not as written")).into()
}
