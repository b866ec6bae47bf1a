//! Sessions in Redis: one Lua script for each operation, so that each is one atomic step.

use std::{collections::HashMap, time::Duration};

use redis::{Script, aio::MultiplexedConnection};
use serde_json::{Value, json};
use ud_config::RedisConfig;
use ud_db::StoreError;
use ud_events::{EnvelopeError, NewEvent, OutboxHandle};
use ud_kernel::{
    Clock, EventId, SessionId, Timestamp, UserId,
    models::{
        CreateSession, FeedPosition, NotBefore, RevokedKey, RotateSession, SessionGrant,
        SessionState, SessionStateQuery,
    },
};
use ud_redis::RedisFailure;

use crate::models::{
    error::SessionError,
    seen::{Memory, Seen},
    session::Session,
    session_store::{
        Answer, Checked, CloseOrder, Closing, Created, FEED_WAIT, FeedRead, SessionStore,
    },
};

use super::{
    connection::{Redis, Unfit},
    fields::{fields, read_answer, read_entry, read_session, seen_fields, unreadable, with},
    scripts::Scripts,
};

/// Id and fields of a stream's entry.
type StreamEntry = (String, HashMap<String, String>);

/// Before every key, and a hash tag: a cluster keeps all of them in one slot.
pub const NAMESPACE: &str = "{ud}";

/// A Redis, and where in it.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// The server.
    pub redis: RedisConfig,
    /// What every key begins with: [`NAMESPACE`], and something of its own in each test.
    pub namespace: String,
    /// A test's hand in the place of the server's clock. Nothing that is configured sets it.
    pub hand: Option<Clock>,
}

/// The store.
pub struct RedisStore {
    redis: Redis,
    namespace: String,
    scripts: Scripts,
    relay: OutboxHandle,
    strict: bool,
    /// A test's hand in the place of the server's clock.
    hand: Option<Clock>,
    /// How far the list of revocations was seen: a store behind that has gone back.
    memory: Memory,
    /// The connection that waits for entries, while nobody waits.
    waiting: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

impl RedisStore {
    /// Does not connect yet. `strict` (production): a server configured otherwise than promised is not
    /// [`SessionStore::check`]ed as ready.
    ///
    /// # Errors
    /// If the address is not one of Redis.
    pub fn new(
        settings: &RedisSettings,
        relay: OutboxHandle,
        strict: bool,
    ) -> Result<Self, SessionError> {
        Ok(Self {
            redis: Redis::new(&settings.redis)?,
            namespace: settings.namespace.clone(),
            scripts: Scripts::new(),
            relay,
            strict,
            hand: settings.hand.clone(),
            memory: Memory::default(),
            waiting: tokio::sync::Mutex::default(),
        })
    }

    /// Whether the server is there and configured as promised.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn fitness(&self) -> Result<(), Unfit> {
        self.redis.check().await
    }

    pub(crate) fn redis(&self) -> (Redis, String) {
        (self.redis.clone(), self.namespace.clone())
    }

    /// Runs a script.
    async fn call<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        argument: Value,
    ) -> Result<T, SessionError> {
        let argument = self.with_memory(argument);
        self.redis
            .run(script, &self.namespace, &argument.to_string())
            .await
    }

    /// `argument` with what this process remembers of the store; the incarnation is for the case that a new one begins.
    fn with_memory(&self, argument: Value) -> Value {
        let now = self.now();
        let hand = self.hand.as_ref().map(|_| now.as_millis().into());
        let incarnation = self.memory.next_incarnation(now);
        let renewed = self.memory.renewed_ago(now);
        let seen = self.memory.seen();
        let argument = with(argument, "clock", hand);
        let argument = with(argument, "incarnation", Some(json!(incarnation)));
        let argument = with(
            argument,
            "renewed_ago",
            renewed.map(|d| json!(d.as_millis())),
        );
        with(argument, "seen", seen.as_ref().map(seen_fields))
    }

    /// Now by this process's clock, by which it remembers.
    fn now(&self) -> Timestamp {
        self.hand.clone().unwrap_or_else(Clock::system).now()
    }

    async fn call_durably<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        argument: Value,
    ) -> Result<T, SessionError> {
        let argument = self.with_memory(argument);
        self.redis
            .run_durably(script, &self.namespace, &argument.to_string())
            .await
    }
}

impl SessionStore for RedisStore {
    fn create(&self, id: SessionId, new: CreateSession) -> Answer<'_, Created> {
        Box::pin(async move {
            let argument = json!({
                "now": new.now.as_millis(), "user_id": new.user_id, "epoch": new.epoch, "pv": new.pv,
                "roles": new.roles, "event_id": EventId::new(new.now),
                "origin": new.origin, "session": fields(&Session::open(id, &new, new.now)),
            });
            let answer = self.call(&self.scripts.create, argument).await?;
            self.relay.wake();
            let (status, session, incarnation) = read_answer(answer)?;
            let grant = session.grant(new.access_until, incarnation);
            Ok(Created {
                grant,
                is_new: status == "made",
            })
        })
    }

    fn rotate(&self, request: RotateSession) -> Answer<'_, SessionGrant> {
        Box::pin(async move {
            let argument = json!({
                "now": request.now.as_millis(), "session_id": request.session_id,
                "user_id": request.user_id, "nonce_hash": request.nonce_hash,
                "counter": request.counter, "key_id": request.key_id, "epoch": request.epoch,
                "pv": request.pv, "roles": request.roles, "access_ttl": request.access_ttl,
                "idle": request.idle, "absolute": request.absolute, "origin": request.origin,
                "reauthenticated": request.reauthenticated, "privileged": request.privileged,
                "key_ids": request.key_ids, "event_id": EventId::new(request.now),
            });
            let argument = with(
                argument,
                "access_until",
                request.access_until.map(|at| at.as_millis().into()),
            );
            let answer = self.call(&self.scripts.rotate, argument).await?;
            let answer = read_answer(answer);
            // Rotations are many, and few of them have anything to tell; the relay would look each time.
            if !matches!(&answer, Ok((status, ..)) if status == "rotated") {
                self.relay.wake();
            }
            let (_, session, incarnation) = answer?;
            Ok(session.grant(request.access_until, incarnation))
        })
    }

    fn close(&self, order: CloseOrder) -> Answer<'_, u32> {
        Box::pin(async move {
            let argument = json!({
                "now": order.now.as_millis(), "user_id": order.user_id, "origin": order.origin,
                "reason": order.closing.reason().as_str(), "event_id": EventId::new(order.now),
            });
            let (one, min_epoch, except) = match order.closing {
                Closing::One(id) => (Some(id), None, None),
                Closing::Below { min_epoch, except } => (None, Some(min_epoch), except),
                Closing::All { except } => (None, None, except),
            };
            let argument = with(argument, "session_id", one.map(|id| id.to_string().into()));
            let argument = with(argument, "min_epoch", min_epoch.map(Value::from));
            let argument = with(argument, "except", except.map(|id| id.to_string().into()));
            let closed = self.call_durably(&self.scripts.close, argument).await;
            self.relay.wake();
            closed
        })
    }

    fn set_not_before(&self, not_before: NotBefore, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            let (kind, name) = match (not_before.user_id, not_before.role) {
                (Some(user_id), None) => ("user", user_id.to_string()),
                (None, Some(role)) => ("role", role),
                _ => return Ok(()),
            };
            let argument = json!({
                "now": now.as_millis(), "kind": kind, "name": name, "min_pv": not_before.min_pv,
            });
            self.call_durably::<i64>(&self.scripts.not_before, argument)
                .await?;
            Ok(())
        })
    }

    fn revoke_key(&self, key: RevokedKey, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            let argument = json!({
                "now": now.as_millis(), "kid": key.kid, "until": key.until.as_millis(),
            });
            self.call_durably::<i64>(&self.scripts.revoke_key, argument)
                .await?;
            Ok(())
        })
    }

    fn state(
        &self,
        id: SessionId,
        token: SessionStateQuery,
        now: Timestamp,
    ) -> Answer<'_, SessionState> {
        Box::pin(async move {
            let argument = json!({
                "now": now.as_millis(), "session_id": id, "user_id": token.user_id, "pv": token.pv,
                "inc": token.inc, "kid": token.kid, "roles": token.roles.split(',').collect::<Vec<_>>(),
            });
            let state: String = self.call(&self.scripts.state, argument).await?;
            match state.as_str() {
                "good" => Ok(SessionState::Good),
                "stale" => Ok(SessionState::Stale),
                "closed" => Ok(SessionState::Closed),
                _ => Err(unreadable("state")),
            }
        })
    }

    fn find(&self, id: SessionId, now: Timestamp) -> Answer<'_, Option<Session>> {
        Box::pin(async move {
            let argument = json!({ "now": now.as_millis(), "session_id": id });
            let flat: HashMap<String, String> = self.call(&self.scripts.find, argument).await?;
            if flat.is_empty() {
                return Ok(None);
            }
            read_session(&flat).map(Some)
        })
    }

    fn list(&self, user_id: UserId, now: Timestamp) -> Answer<'_, Vec<Session>> {
        Box::pin(async move {
            let argument = json!({ "now": now.as_millis(), "user_id": user_id });
            let found: Vec<HashMap<String, String>> =
                self.call(&self.scripts.list, argument).await?;
            found.iter().map(read_session).collect()
        })
    }

    fn learn(&self, seen: Seen) -> Answer<'_, ()> {
        self.memory.saw(seen);
        // Whatever is asked next looks whether the store has gone back.
        Box::pin(async { Ok(()) })
    }

    fn feed(&self, known: Option<Seen>, now: Timestamp) -> Answer<'_, FeedRead> {
        Box::pin(async move {
            let argument = json!({ "now": now.as_millis() });
            let argument = with(argument, "known", known.as_ref().map(seen_fields));
            let (incarnation, resumed, entries, renewed_ago): (String, u8, Vec<StreamEntry>, i64) =
                self.call(&self.scripts.feed, argument).await?;
            let resumed = resumed == 1;
            let entries = entries
                .iter()
                .map(|(id, flat)| read_entry(id, flat))
                .collect::<Result<Vec<_>, _>>()?;
            let from = known.filter(|_| resumed).map(|known| known.position);
            let last = entries.last().map(|entry| entry.position);
            self.memory.saw(Seen {
                incarnation: incarnation.clone(),
                position: last.or(from).unwrap_or_default(),
            });
            if let Ok(ago) = u64::try_from(renewed_ago) {
                self.memory
                    .renewed(self.now().minus(Duration::from_millis(ago)));
            }
            Ok(FeedRead {
                incarnation,
                resumed,
                entries,
            })
        })
    }

    fn wait_for_feed(&self, after: FeedPosition) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut waiting = self.waiting.lock().await;
            let mut connection = match waiting.take() {
                Some(connection) => connection,
                None => self.redis.connect_to_wait(FEED_WAIT).await?,
            };
            let mut command = redis::cmd("XREAD");
            command.arg("COUNT").arg(1).arg("BLOCK");
            command.arg(u64::try_from(FEED_WAIT.as_millis()).unwrap_or(u64::MAX));
            let key = format!("{}:revocations", self.namespace);
            command.arg("STREAMS").arg(key).arg(after.to_string());
            let answer: Result<redis::Value, _> = command.query_async(&mut connection).await;
            answer.map_err(|e| RedisFailure::from(&e))?;
            *waiting = Some(connection);
            Ok(())
        })
    }

    fn note(&self, events: Vec<NewEvent>) -> Answer<'_, ()> {
        Box::pin(async move {
            let defect = |e: EnvelopeError| StoreError::Internal(format!("event: {e}"));
            for new in events {
                let event = new.finish().map_err(defect)?;
                let body = event.to_json().map_err(defect)?;
                let mut command = redis::cmd("XADD");
                command
                    .arg(format!("{}:outbox", self.namespace))
                    .arg("*")
                    .arg(&[
                        ("id", event.id.to_string()),
                        ("type", event.kind.to_string()),
                    ])
                    .arg(&[("at", event.time.as_millis().to_string()), ("body", body)]);
                self.redis.query::<String>(&command).await?;
            }
            self.relay.wake();
            Ok(())
        })
    }

    fn check(&self) -> Checked<'_> {
        Box::pin(async move {
            match self.fitness().await {
                Err(Unfit::Configuration(_)) if !self.strict => Ok(()),
                Err(unfit) => Err(unfit.to_string()),
                Ok(()) => Ok(()),
            }
        })
    }
}
