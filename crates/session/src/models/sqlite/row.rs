//! A session as a row of `sessions`: as it is read, and as it is written.

use diesel::prelude::*;
use ud_db::{StoreError, sql::Bind};
use ud_kernel::{SessionId, Timestamp, UserId};

use super::schema::sessions;
use crate::models::{late_repetition::LateRepetitions, session::Session};

/// Columns of `sessions`, in their order.
#[derive(Queryable)]
pub(crate) struct SessionRow {
    id: SessionId,
    user_id: UserId,
    epoch: i64,
    counter: i64,
    key_id: String,
    nonce_hash: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    issued_at: Timestamp,
    access_expires_at: Timestamp,
    latest_expiry: Timestamp,
    expires_at: Timestamp,
    idle: i64,
    absolute: i64,
    amr: String,
    ip: Option<String>,
    user_agent: Option<String>,
    event_seq: i64,
    authenticated_at: Timestamp,
    rotated: String,
    late_counter: i64,
    late_count: i64,
    late_source: String,
}

/// The same columns on their way in.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = sessions, treat_none_as_null = true)]
pub(crate) struct SessionColumns<'a> {
    id: Bind<SessionId>,
    user_id: Bind<UserId>,
    epoch: i64,
    counter: i64,
    key_id: &'a str,
    nonce_hash: &'a str,
    created_at: Bind<Timestamp>,
    last_seen_at: Bind<Timestamp>,
    issued_at: Bind<Timestamp>,
    access_expires_at: Bind<Timestamp>,
    latest_expiry: Bind<Timestamp>,
    expires_at: Bind<Timestamp>,
    idle: i64,
    absolute: i64,
    amr: String,
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    event_seq: i64,
    authenticated_at: Bind<Timestamp>,
    rotated: String,
    late_counter: i64,
    late_count: i64,
    late_source: &'a str,
}

impl<'a> From<&'a Session> for SessionColumns<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            id: Bind(session.id),
            user_id: Bind(session.user_id),
            epoch: session.epoch,
            counter: session.counter,
            key_id: &session.key_id,
            nonce_hash: &session.nonce_hash,
            created_at: Bind(session.created_at),
            last_seen_at: Bind(session.last_seen_at),
            issued_at: Bind(session.issued_at),
            access_expires_at: Bind(session.access_expires_at),
            latest_expiry: Bind(session.latest_expiry),
            expires_at: Bind(session.expires_at),
            idle: session.idle.into(),
            absolute: session.absolute.into(),
            amr: serde_json::json!(session.amr).to_string(),
            ip: session.ip.as_deref(),
            user_agent: session.user_agent.as_deref(),
            event_seq: session.event_seq,
            authenticated_at: Bind(session.authenticated_at),
            rotated: session.rotations.to_string(),
            late_counter: session.late.counter,
            late_count: session.late.count.into(),
            late_source: &session.late.source,
        }
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        let unreadable =
            |name: &str| StoreError::Internal(format!("sessions.{name} is not as written"));
        let number = |count: i64, name| u32::try_from(count).map_err(|_| unreadable(name));
        Ok(Self {
            id: row.id,
            user_id: row.user_id,
            epoch: row.epoch,
            counter: row.counter,
            key_id: row.key_id,
            nonce_hash: row.nonce_hash,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            issued_at: row.issued_at,
            access_expires_at: row.access_expires_at,
            latest_expiry: row.latest_expiry,
            expires_at: row.expires_at,
            idle: number(row.idle, "idle")?,
            absolute: number(row.absolute, "absolute")?,
            amr: serde_json::from_str(&row.amr).map_err(|_| unreadable("amr"))?,
            ip: row.ip,
            user_agent: row.user_agent,
            event_seq: row.event_seq,
            authenticated_at: row.authenticated_at,
            rotations: row.rotated.parse().map_err(|_| unreadable("rotated"))?,
            late: LateRepetitions {
                counter: row.late_counter,
                count: number(row.late_count, "late_count")?,
                source: row.late_source,
            },
        })
    }
}
