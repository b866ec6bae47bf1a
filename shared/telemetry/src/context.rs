//! The request that the running task works for.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use ud_kernel::{Service, UserId};

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// What is done for a request by others than its handler, each time once; the request's line in the access log has
/// the sums (docs/PRICES.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// A turn on a database connection: a read, or a transaction.
    DatabaseCall,
    /// A statement on such a connection, `BEGIN` and `COMMIT` included.
    Statement,
    /// A command or a script sent to Redis.
    RedisCall,
    /// An HTTP request to another service.
    InnerCall,
}

#[derive(Debug, Default)]
struct Shared {
    user_id: OnceLock<UserId>,
    costs: [AtomicU32; 4],
}

impl Shared {
    fn cost(&self, cost: Cost) -> &AtomicU32 {
        let [calls, statements, redis, inner] = &self.costs;
        match cost {
            Cost::DatabaseCall => calls,
            Cost::Statement => statements,
            Cost::RedisCall => redis,
            Cost::InnerCall => inner,
        }
    }
}

/// What log lines say about the request. Clones are cheap and share the user id and the costs.
#[derive(Clone, Debug)]
pub struct RequestContext {
    request_id: Arc<str>,
    client_request_id: Option<Arc<str>>,
    trace_id: Option<Arc<str>>,
    service: Option<Service>,
    deadline: Option<Instant>,
    shared: Arc<Shared>,
}

impl RequestContext {
    /// A request nobody is known to have sent yet.
    #[must_use]
    pub fn new(request_id: impl Into<Arc<str>>) -> Self {
        Self {
            request_id: request_id.into(),
            client_request_id: None,
            trace_id: None,
            service: None,
            deadline: None,
            shared: Arc::default(),
        }
    }

    /// The same, handled by `service`: log lines name it in place of the process.
    #[must_use]
    pub const fn in_service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// The same with a time at which whoever asked waits no longer: what is not done by then is not to be done.
    #[must_use]
    pub const fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same with the id the client gave it, if it gave one.
    #[must_use]
    pub fn with_client_request_id(mut self, id: Option<Arc<str>>) -> Self {
        self.client_request_id = id;
        self
    }

    /// The same with a trace id (W3C Trace Context).
    #[must_use]
    #[cfg(test)]
    pub fn with_trace_id(mut self, trace_id: impl Into<Arc<str>>) -> Self {
        self.trace_id = Some(trace_id.into());
        self
    }

    /// Id of the request.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The id the client gave it, if it gave one.
    #[must_use]
    pub fn client_request_id(&self) -> Option<&str> {
        self.client_request_id.as_deref()
    }

    /// Id of the trace, if there is one.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// The service that handles the request, where it was told.
    #[must_use]
    pub const fn service(&self) -> Option<Service> {
        self.service
    }

    /// When whoever asked waits no longer, if that is known.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Id of the authenticated user, once known.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        self.shared.user_id.get().copied()
    }

    /// Tells who the user is; later calls change nothing.
    pub fn set_user_id(&self, user_id: UserId) {
        let _ = self.shared.user_id.set(user_id);
    }

    /// How often `cost` was counted for the request until now.
    #[must_use]
    pub fn counted(&self, cost: Cost) -> u32 {
        self.shared.cost(cost).load(Ordering::Relaxed)
    }
}

/// Runs `future` for the request `context`; without one, as it is. Spawned tasks and blocking threads do
/// not inherit it: give them [`current`].
pub async fn scope<F: Future>(context: impl Into<Option<RequestContext>>, future: F) -> F::Output {
    match context.into() {
        Some(context) => CURRENT.scope(context, future).await,
        None => future.await,
    }
}

/// Runs `f` for the request `context`; without one, as it is.
pub fn sync_scope<R>(context: impl Into<Option<RequestContext>>, f: impl FnOnce() -> R) -> R {
    match context.into() {
        Some(context) => CURRENT.sync_scope(context, f),
        None => f(),
    }
}

/// The request the running task works for.
#[must_use]
pub fn current() -> Option<RequestContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// When whoever sent the request that the running task works for waits no longer, if that is known.
#[must_use]
pub fn deadline() -> Option<Instant> {
    CURRENT.try_with(RequestContext::deadline).ok().flatten()
}

/// Runs `future` for the request the running task works for, but not for whoever sent it alone: others get the same result,
/// so it does not matter how long this one waits.
pub async fn without_deadline<F: Future>(future: F) -> F::Output {
    let context = current().map(|context| RequestContext {
        deadline: None,
        ..context
    });
    scope(context, future).await
}

/// Counts `cost` once for the request the running task works for; without one, for nobody.
pub fn count(cost: Cost) {
    let _ = CURRENT.try_with(|context| context.shared.cost(cost).fetch_add(1, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn costs_are_counted_for_the_request_wherever_it_is_worked_for() {
        count(Cost::Statement);
        let context = RequestContext::new("r-1");
        scope(context.clone(), async {
            count(Cost::InnerCall);
            let carried = current();
            let thread = tokio::task::spawn_blocking(move || {
                sync_scope(carried, || {
                    count(Cost::Statement);
                    count(Cost::Statement);
                });
            });
            thread.await.unwrap();
        })
        .await;
        let counts = [
            Cost::DatabaseCall,
            Cost::Statement,
            Cost::RedisCall,
            Cost::InnerCall,
        ];
        assert_eq!(counts.map(|cost| context.counted(cost)), [0, 2, 0, 1]);
    }

    #[tokio::test]
    async fn what_is_done_for_others_too_has_no_deadline_and_the_same_costs() {
        let context = RequestContext::new("r-1").until(Instant::now());
        scope(context.clone(), async {
            assert!(deadline().is_some());
            without_deadline(async {
                assert!(deadline().is_none());
                count(Cost::DatabaseCall);
            })
            .await;
            assert!(deadline().is_some());
        })
        .await;
        assert_eq!(context.counted(Cost::DatabaseCall), 1);
        without_deadline(async { assert!(current().is_none()) }).await;
    }

    #[tokio::test]
    async fn a_task_knows_its_request_and_a_spawned_one_does_not() {
        let context = RequestContext::new("r-1").in_service(Service::Auth);
        let user = UserId::new(ud_kernel::Timestamp::from_millis(7));
        scope(context.clone(), async {
            let here = current().unwrap();
            assert_eq!(here.request_id(), "r-1");
            here.set_user_id(user);
            assert!(tokio::spawn(async { current() }).await.unwrap().is_none());
            let carried = current();
            let id = tokio::task::spawn_blocking(move || {
                sync_scope(carried, || current().unwrap().user_id())
            });
            assert_eq!(id.await.unwrap(), Some(user));
        })
        .await;
        assert_eq!(context.user_id(), Some(user), "clones share the user");
        assert!(current().is_none());
        assert!(sync_scope(None, current).is_none());
    }
}
