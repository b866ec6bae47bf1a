//! Reading and writing the tables of [`super::store`], each function inside the caller's transaction.

use std::time::Duration;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_events::{EventType, outbox};
use ud_kernel::{
    EventId, SessionId, Timestamp, UserId,
    models::{Provenance, Revoked},
};

use super::{
    feed::revoke,
    row::{SessionColumns, SessionRow},
    schema::{closed_sessions, min_epochs, not_before, revocations, sessions, store},
};
use crate::models::{
    error::SessionError,
    session::{
        CLOCKS_APART, CloseReason, DEFAULT_ABSOLUTE, EPOCH_SLACK, LATE, Minimums, Session,
        TWICE_LEEWAY,
    },
    session_event::{SessionEvent, Source},
};

pub(super) fn load(conn: &mut DbConn, id: SessionId) -> Result<Option<Session>, SessionError> {
    let row = sessions::table
        .find(Bind(id))
        .first::<SessionRow>(conn)
        .optional()
        .map_err(StoreError::from)?;
    Ok(row.map(Session::try_from).transpose()?)
}

/// Oldest first.
pub(super) fn living(
    conn: &mut DbConn,
    user_id: UserId,
    now: Timestamp,
) -> Result<Vec<Session>, SessionError> {
    let rows = sessions::table
        .filter(sessions::user_id.eq(Bind(user_id)))
        .filter(sessions::expires_at.gt(Bind(now)))
        .order((sessions::created_at, sessions::id))
        .load::<SessionRow>(conn)
        .map_err(StoreError::from)?;
    rows.into_iter()
        .map(|row| Ok(Session::try_from(row)?))
        .collect()
}

pub(super) fn save(conn: &mut DbConn, session: &Session) -> Result<(), SessionError> {
    diesel::update(sessions::table.find(Bind(session.id)))
        .set(SessionColumns::from(session))
        .execute(conn)
        .map_err(StoreError::from)?;
    Ok(())
}

/// Ends a session. Its id remains, and refuses a late repetition of the request that made it.
pub(super) fn end(
    conn: &mut DbConn,
    mut session: Session,
    reason: CloseReason,
    origin: &Provenance,
    now: Timestamp,
) -> Result<(), SessionError> {
    let kind = if reason == CloseReason::Reused {
        EventType::REFRESH_TOKEN_REUSED
    } else {
        EventType::SESSION_CLOSED
    };
    emit(conn, kind, &mut session, Some(reason), origin, now)?;
    diesel::delete(sessions::table.find(Bind(session.id)))
        .execute(conn)
        .map_err(StoreError::from)?;
    let until = session.latest_expiry.plus(TWICE_LEEWAY);
    let kept_until = until.max(now.plus(LATE));
    diesel::insert_into(closed_sessions::table)
        .values((
            closed_sessions::id.eq(Bind(session.id)),
            closed_sessions::kept_until.eq(Bind(kept_until)),
        ))
        .execute(conn)
        .map_err(StoreError::from)?;
    revoke(conn, &Revoked::Session { id: session.id }, until, now)
}

pub(super) fn emit(
    conn: &mut DbConn,
    kind: EventType,
    session: &mut Session,
    reason: Option<CloseReason>,
    origin: &Provenance,
    now: Timestamp,
) -> Result<(), SessionError> {
    session.event_seq += 1;
    let event = SessionEvent {
        kind,
        session_id: session.id,
        user_id: session.user_id,
        sequence: session.event_seq,
        at: now,
        reason: reason.map(|reason| reason.as_str().to_owned()),
        origin: origin.clone(),
        rotated_from: (kind == EventType::REFRESH_TOKEN_REPEATED_LATE).then(|| Source {
            ip: session.ip.clone(),
            user_agent: session.user_agent.clone(),
        }),
    };
    Ok(outbox::write(conn, event.into_new_event())?)
}

pub(super) fn minimums(
    conn: &mut DbConn,
    user_id: UserId,
    roles: &[String],
) -> Result<Minimums, SessionError> {
    let min_epoch = min_epochs::table
        .find(Bind(user_id))
        .select(min_epochs::min_epoch)
        .first::<i64>(conn)
        .optional()
        .map_err(StoreError::from)?;
    let min_pv = min_pv(conn, user_id, roles)?;
    Ok(Minimums {
        min_epoch: min_epoch.unwrap_or_default(),
        min_pv,
    })
}

pub(super) fn min_pv(
    conn: &mut DbConn,
    user_id: UserId,
    roles: &[String],
) -> Result<i64, SessionError> {
    let of_user = not_before::kind
        .eq("user")
        .and(not_before::name.eq(user_id.to_string()));
    let of_roles = not_before::kind
        .eq("role")
        .and(not_before::name.eq_any(roles));
    let largest = not_before::table
        .filter(of_user.or(of_roles))
        .select(diesel::dsl::max(not_before::min_pv))
        .first::<Option<i64>>(conn)
        .map_err(StoreError::from)?;
    Ok(largest.unwrap_or_default())
}

pub(super) fn raise_min_epoch(
    conn: &mut DbConn,
    user_id: UserId,
    min_epoch: i64,
    now: Timestamp,
) -> Result<(), SessionError> {
    let absolute = Duration::from_secs(known_store(conn, now)?.absolute.unsigned_abs());
    let row = (
        min_epochs::min_epoch.eq(min_epoch),
        min_epochs::kept_until.eq(Bind(now.plus(absolute).plus(EPOCH_SLACK))),
    );
    let current = min_epochs::table
        .find(Bind(user_id))
        .select(min_epochs::min_epoch)
        .first::<i64>(conn)
        .optional()
        .map_err(StoreError::from)?;
    let query = match current {
        Some(current) if current >= min_epoch => return Ok(()),
        Some(_) => diesel::update(min_epochs::table.find(Bind(user_id)))
            .set(row)
            .execute(conn),
        None => diesel::insert_into(min_epochs::table)
            .values((min_epochs::user_id.eq(Bind(user_id)), row))
            .execute(conn),
    };
    query.map_err(StoreError::from)?;
    Ok(())
}

/// What the store knows beyond sessions.
pub(super) struct KnownStore {
    pub(super) incarnation: String,
    pub(super) latest_expiry: Timestamp,
    absolute: i64,
}

/// Reads it; a store found empty starts a new incarnation.
pub(super) fn known_store(conn: &mut DbConn, now: Timestamp) -> Result<KnownStore, SessionError> {
    let found = store::table
        .select((store::incarnation, store::latest_expiry, store::absolute))
        .first::<(String, Timestamp, i64)>(conn)
        .optional()
        .map_err(StoreError::from)?;
    if let Some((incarnation, latest_expiry, absolute)) = found {
        return Ok(KnownStore {
            incarnation,
            latest_expiry,
            absolute,
        });
    }
    let new = KnownStore {
        incarnation: EventId::new(now).to_string(),
        latest_expiry: Timestamp::from_millis(0),
        absolute: DEFAULT_ABSOLUTE.into(),
    };
    diesel::insert_into(store::table)
        .values((
            store::id.eq(1_i64),
            store::incarnation.eq(&new.incarnation),
            store::latest_expiry.eq(Bind(new.latest_expiry)),
            store::absolute.eq(new.absolute),
        ))
        .execute(conn)
        .map_err(StoreError::from)?;
    Ok(new)
}

impl KnownStore {
    /// Keeps the largest `exp` given out, rounded up to a minute so that few rotations have to write it, and
    /// the longest life of a session.
    pub(super) fn remember(
        &self,
        conn: &mut DbConn,
        session: &Session,
    ) -> Result<(), SessionError> {
        let absolute = self.absolute.max(session.absolute.into());
        let known = session.latest_expiry <= self.latest_expiry;
        if known && absolute == self.absolute {
            return Ok(());
        }
        const MINUTE: i64 = 60_000;
        let minutes = (session.latest_expiry.as_millis() + MINUTE - 1).div_euclid(MINUTE);
        let latest_expiry = self
            .latest_expiry
            .max(Timestamp::from_millis(minutes * MINUTE));
        diesel::update(store::table)
            .set((
                store::latest_expiry.eq(Bind(latest_expiry)),
                store::absolute.eq(absolute),
            ))
            .execute(conn)
            .map_err(StoreError::from)?;
        Ok(())
    }
}

/// Deletes what has had its time. Redis does this by itself; here each login does.
pub(super) fn purge(conn: &mut DbConn, now: Timestamp) -> Result<(), SessionError> {
    let run = |conn: &mut DbConn| -> QueryResult<()> {
        diesel::delete(sessions::table.filter(sessions::expires_at.le(Bind(now.minus(LATE)))))
            .execute(conn)?;
        diesel::delete(closed_sessions::table.filter(closed_sessions::kept_until.le(Bind(now))))
            .execute(conn)?;
        diesel::delete(min_epochs::table.filter(min_epochs::kept_until.le(Bind(now))))
            .execute(conn)?;
        diesel::delete(not_before::table.filter(not_before::kept_until.le(Bind(now))))
            .execute(conn)?;
        let passed = revocations::revoked_until.le(Bind(now.minus(CLOCKS_APART)));
        diesel::delete(revocations::table.filter(passed)).execute(conn)?;
        Ok(())
    };
    Ok(run(conn).map_err(StoreError::from)?)
}
