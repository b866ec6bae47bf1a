//! Background work.

use std::sync::Arc;

use ud_events::{Outbox, OutboxError, OutboxHandle, PeerTransport, Relay, record_security_events};
use ud_jwt::KeySource;
use ud_kernel::Service;
use ud_service::{ServiceContext, Task};

use crate::models::{feed::Feed, session_store::SessionStore};

/// Sends the events of `outbox` to the services that want them.
pub(crate) fn relay<O: Outbox>(context: &ServiceContext, outbox: O, handle: &OutboxHandle) -> Task {
    let transport = PeerTransport::new(&context.peers);
    let (handle, clock) = (handle.clone(), context.clock.clone());
    let relay = Relay::new(
        Service::Session,
        outbox,
        transport,
        handle,
        clock,
        &context.metrics,
    );
    Box::new(move |mut stop| {
        Box::pin(async move { relay.run(async move { stop.stopped().await }).await })
    })
}

/// Has `keys` look again when `feed` has read of a revoked signing key: another one signs at once.
pub(crate) fn follow_keys(feed: Feed, keys: KeySource) -> Task {
    Box::new(move |mut stop| {
        Box::pin(async move {
            loop {
                tokio::select! {
                    () = feed.key_revoked() => keys.look_again(),
                    () = stop.stopped() => return,
                }
            }
        })
    })
}

/// Writes security events (SECURITY rule 33) to the outbox of `store`.
pub(crate) fn security_events(context: &ServiceContext, store: Arc<dyn SessionStore>) -> Task {
    let context = context.clone();
    Box::new(move |stop| {
        Box::pin(async move {
            let Some(queue) = context.take_security_events().await else {
                return;
            };
            let write = |events| {
                let store = Arc::clone(&store);
                async move {
                    store
                        .note(events)
                        .await
                        .map_err(|e| OutboxError(e.to_string()))
                }
            };
            record_security_events(Service::Session, context.security_log, queue, write, stop)
                .await;
        })
    })
}
