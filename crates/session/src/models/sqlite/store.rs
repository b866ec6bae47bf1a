//! Sessions in one SQLite file: each operation is one IMMEDIATE transaction. One process only, which
//! [`FileLock`] sees to.

use std::sync::Arc;

use diesel::prelude::*;
use tokio::sync::Notify;
use ud_db::{Db, DbConn, FileLock, Migrations, StoreError, sql::Bind};
use ud_events::{EventType, NewEvent, OutboxHandle, outbox};
use ud_kernel::{
    Clock, SessionId, Timestamp, UserId,
    models::{
        CreateSession, FeedPosition, NotBefore, Revoked, RevokedKey, RotateSession, SessionGrant,
        SessionState, SessionStateQuery,
    },
};

use super::{
    close::{close, is_closed_already},
    feed::{is_revoked_key, last_position, read_feed, renew_if_behind, revoke},
    not_before::set_not_before,
    row::SessionColumns,
    schema::{closed_sessions, sessions, store},
    tables::{emit, end, known_store, living, load, min_pv, minimums, purge, save},
};
use crate::models::{
    error::SessionError,
    seen::{Memory, Seen},
    session::{CloseReason, MAX_LIVE, Refusal, Rotation, Session},
    session_store::{Answer, Checked, CloseOrder, Created, FEED_WAIT, FeedRead, SessionStore},
};

/// The store. Its tables, and those of its outbox, are in one database.
pub struct SqliteStore {
    db: Db,
    owners: &'static [&'static Migrations],
    relay: OutboxHandle,
    committed: Notify,
    /// The store's own clock is that of the process that has the file.
    clock: Clock,
    /// What was seen of the list and not found in it. As the file is this process's alone, it goes back under no
    /// running process: what was found in it once need not be looked for again.
    memory: Arc<Memory>,
    /// The file is this process's alone for as long as the store is.
    _lock: FileLock,
}

/// A refusal is an outcome, not an error: what was closed on the way to it must be committed.
type Outcome<T> = Result<Result<T, Refusal>, SessionError>;

impl SqliteStore {
    /// Takes a database that is migrated by `owners` and the lock on its file; wakes `relay` after each commit.
    #[must_use]
    pub fn new(
        db: Db,
        owners: &'static [&'static Migrations],
        lock: FileLock,
        relay: OutboxHandle,
        clock: Clock,
    ) -> Self {
        Self {
            db,
            owners,
            relay,
            committed: Notify::new(),
            clock,
            memory: Arc::default(),
            _lock: lock,
        }
    }

    /// Sees to it that nothing is read from a store that has gone back.
    async fn begin(&self) -> Result<(), SessionError> {
        let Some(seen) = self.memory.seen() else {
            return Ok(());
        };
        let (memory, clock) = (Arc::clone(&self.memory), self.clock.clone());
        let claimed = seen.clone();
        let renew = move |conn: &mut DbConn| renew_if_behind(conn, &claimed, &memory, clock.now());
        if self.db.tx(renew).await? {
            self.memory.renewed(self.clock.now());
            self.committed.notify_one();
        }
        self.memory.forget(&seen);
        Ok(())
    }

    async fn commit<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut DbConn) -> Outcome<T> + Send + 'static,
    ) -> Result<T, SessionError> {
        self.begin().await?;
        let outcome = self.db.tx(work).await?;
        self.relay.wake();
        self.committed.notify_one();
        Ok(outcome?)
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut DbConn) -> Result<T, SessionError> + Send + 'static,
    ) -> Result<T, SessionError> {
        self.begin().await?;
        self.db.read(work).await
    }
}

impl SessionStore for SqliteStore {
    fn create(&self, id: SessionId, new: CreateSession) -> Answer<'_, Created> {
        let clock = self.clock.clone();
        Box::pin(self.commit(move |conn| create(conn, id, &new, clock.now())))
    }

    fn rotate(&self, request: RotateSession) -> Answer<'_, SessionGrant> {
        let clock = self.clock.clone();
        Box::pin(self.commit(move |conn| rotate(conn, &request, clock.now())))
    }

    fn close(&self, order: CloseOrder) -> Answer<'_, u32> {
        Box::pin(async move {
            // Whoever repeats a logout writes nothing: a write would wait for all others.
            let (asked, order) = (order.clone(), order);
            let is_needless = self.db.read(move |conn| is_closed_already(conn, &asked));
            if is_needless.await? {
                return Ok(0);
            }
            self.commit(move |conn| close(conn, &order).map(Ok)).await
        })
    }

    fn set_not_before(&self, not_before: NotBefore, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(self.commit(move |conn| set_not_before(conn, &not_before, now).map(Ok)))
    }

    fn revoke_key(&self, key: RevokedKey, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(self.commit(move |conn| {
            // The store begins here if nobody has logged in yet: readers want its incarnation.
            known_store(conn, now)?;
            if !is_revoked_key(conn, &key.kid)? {
                let kid = key.kid.clone();
                revoke(conn, &Revoked::Key { kid }, key.until, now)?;
            }
            Ok(Ok(()))
        }))
    }

    fn state(
        &self,
        id: SessionId,
        token: SessionStateQuery,
        now: Timestamp,
    ) -> Answer<'_, SessionState> {
        Box::pin(self.read(move |conn| state(conn, id, &token, now)))
    }

    fn find(&self, id: SessionId, now: Timestamp) -> Answer<'_, Option<Session>> {
        Box::pin(self.read(move |conn| Ok(load(conn, id)?.filter(|s| s.is_alive(now)))))
    }

    fn list(&self, user_id: UserId, now: Timestamp) -> Answer<'_, Vec<Session>> {
        Box::pin(self.read(move |conn| {
            let mut living = living(conn, user_id, now)?;
            living.reverse();
            Ok(living)
        }))
    }

    fn learn(&self, seen: Seen) -> Answer<'_, ()> {
        self.memory.saw(seen);
        Box::pin(self.begin())
    }

    fn feed(&self, known: Option<Seen>, now: Timestamp) -> Answer<'_, FeedRead> {
        Box::pin(async move {
            let read = known.clone();
            let found = self.read(move |conn| read_feed(conn, read.as_ref()));
            match found.await? {
                Some(read) => Ok(read),
                // Nobody has logged in yet: the store begins here.
                None => {
                    let begin = move |conn: &mut DbConn| {
                        known_store(conn, now)?;
                        let read = read_feed(conn, known.as_ref())?;
                        read.ok_or_else(|| StoreError::Internal("no store".into()).into())
                    };
                    self.db.tx(begin).await
                }
            }
        })
    }

    fn wait_for_feed(&self, after: FeedPosition) -> Answer<'_, ()> {
        Box::pin(async move {
            let grown = async {
                loop {
                    self.committed.notified().await;
                    if self.db.read(last_position).await? > after {
                        return Ok(());
                    }
                }
            };
            tokio::time::timeout(FEED_WAIT, grown)
                .await
                .unwrap_or(Ok(()))
        })
    }

    fn note(&self, events: Vec<NewEvent>) -> Answer<'_, ()> {
        // Also while the store is refused for having gone back: audit hears of what happens then.
        Box::pin(async move {
            let write = move |conn: &mut DbConn| {
                let mut events = events.iter();
                events.try_for_each(|event| outbox::write(conn, event.clone()))
            };
            self.db.tx(write).await?;
            self.relay.wake();
            Ok(())
        })
    }

    fn check(&self) -> Checked<'_> {
        Box::pin(self.db.ready(self.owners))
    }
}

fn create(
    conn: &mut DbConn,
    id: SessionId,
    new: &CreateSession,
    at: Timestamp,
) -> Outcome<Created> {
    // By the store's clock: that of auth may be wrong.
    purge(conn, at)?;
    let minimums = minimums(conn, new.user_id, &new.roles)?;
    if let Err(refusal) = minimums.check(new.epoch, new.pv) {
        return Ok(Err(refusal));
    }
    let known = known_store(conn, at)?;
    if let Some(session) = load(conn, id)? {
        if session.is_alive(new.now) && session.is_made_by(new) {
            let grant = session.grant(new.access_until, known.incarnation);
            return Ok(Ok(Created {
                grant,
                is_new: false,
            }));
        }
        return Ok(Err(Refusal::Closed));
    }
    let closed = diesel::select(diesel::dsl::exists(closed_sessions::table.find(Bind(id))))
        .get_result::<bool>(conn)
        .map_err(StoreError::from)?;
    if closed {
        return Ok(Err(Refusal::Closed));
    }

    let mut session = Session::open(id, new, at);
    known.remember(conn, &session)?;
    emit(
        conn,
        EventType::USER_LOGGED_IN,
        &mut session,
        None,
        &new.origin,
        new.now,
    )?;
    diesel::insert_into(sessions::table)
        .values(SessionColumns::from(&session))
        .execute(conn)
        .map_err(StoreError::from)?;
    let living = living(conn, new.user_id, new.now)?;
    let excess = living.len().saturating_sub(MAX_LIVE);
    for oldest in living.into_iter().take(excess) {
        // A clock of auth that is ahead leaves no revocation out.
        end(
            conn,
            oldest,
            CloseReason::TooMany,
            &new.origin,
            new.now.min(at),
        )?;
    }
    let grant = session.grant(new.access_until, known.incarnation);
    Ok(Ok(Created {
        grant,
        is_new: true,
    }))
}

fn rotate(conn: &mut DbConn, request: &RotateSession, at: Timestamp) -> Outcome<SessionGrant> {
    let Some(session) = load(conn, request.session_id)? else {
        return Ok(Err(Refusal::Closed));
    };
    let minimums = minimums(conn, request.user_id, &request.roles)?;
    let authenticated_at = session.authenticated_at;
    let session = match session.rotate(request, minimums, at) {
        Rotation::Refuse(refusal) => return Ok(Err(refusal)),
        Rotation::Close(reason) => {
            end(conn, session, reason, &request.origin, request.now.min(at))?;
            return Ok(Err(Refusal::Closed));
        }
        Rotation::Repeat {
            mut session,
            elsewhere,
        } => {
            note_reauthentication(conn, &mut session, request)?;
            if elsewhere {
                let kind = EventType::REFRESH_TOKEN_REPLAYED;
                emit(conn, kind, &mut session, None, &request.origin, request.now)?;
            }
            if elsewhere || session.authenticated_at != authenticated_at || request.reauthenticated
            {
                save(conn, &session)?;
            }
            session
        }
        Rotation::RepeatLate {
            mut session,
            is_news,
        } => {
            note_reauthentication(conn, &mut session, request)?;
            if is_news {
                let kind = EventType::REFRESH_TOKEN_REPEATED_LATE;
                emit(conn, kind, &mut session, None, &request.origin, request.now)?;
            }
            save(conn, &session)?;
            session
        }
        Rotation::Advance(mut next) => {
            note_reauthentication(conn, &mut next, request)?;
            save(conn, &next)?;
            next
        }
    };
    let known = known_store(conn, request.now)?;
    known.remember(conn, &session)?;
    Ok(Ok(session.grant(request.access_until, known.incarnation)))
}

fn note_reauthentication(
    conn: &mut DbConn,
    session: &mut Session,
    request: &RotateSession,
) -> Result<(), SessionError> {
    if request.reauthenticated {
        let kind = EventType::USER_REAUTHENTICATED;
        emit(conn, kind, session, None, &request.origin, request.now)?;
    }
    Ok(())
}

fn state(
    conn: &mut DbConn,
    id: SessionId,
    token: &SessionStateQuery,
    now: Timestamp,
) -> Result<SessionState, SessionError> {
    if is_revoked_key(conn, &token.kid)? {
        return Ok(SessionState::Stale);
    }
    let is_its = |s: &Session| s.is_alive(now) && s.user_id == token.user_id;
    if !load(conn, id)?.is_some_and(|session| is_its(&session)) {
        return Ok(SessionState::Closed);
    }
    let incarnation = store::table
        .select(store::incarnation)
        .first::<String>(conn)
        .optional()
        .map_err(StoreError::from)?;
    if incarnation.as_ref() != Some(&token.inc) {
        return Ok(SessionState::Closed);
    }
    let roles: Vec<String> = token.roles.split(',').map(str::to_owned).collect();
    let min_pv = min_pv(conn, token.user_id, &roles)?;
    Ok(if token.pv < min_pv {
        SessionState::Stale
    } else {
        SessionState::Good
    })
}
