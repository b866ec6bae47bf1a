//! The revocation feed within the process.

use tokio::sync::mpsc;
use ud_jwt::revocation::{FeedEvent, LocalSubscription, StateUnavailable};
use ud_kernel::{
    Service,
    models::{FeedKnown, FeedMessage, Provenance},
};

use crate::{
    controllers::follow_revocations::ENTRIES,
    models::feed::{News, Subscription},
    state::SessionState,
};

/// Messages and pings that may wait.
const ROOM: usize = 32;

/// Subscribes, and tells revocations until one side ends it: from where the subscriber was, if session's own tag says so, and
/// otherwise from the oldest.
///
/// # Errors
/// If the store cannot be read.
pub async fn follow_locally(
    state: SessionState,
    known: Option<FeedKnown>,
) -> Result<LocalSubscription, StateUnavailable> {
    let known = known.and_then(|claim| state.believe(claim, Service::Session, Provenance::default));
    let subscription = state.feed.subscribe(known).await.map_err(|error| {
        log::warn!("the revocation feed cannot be followed: {error}");
        StateUnavailable
    })?;
    let (told, events) = mpsc::channel(ROOM);
    let (pings, pinged) = mpsc::channel(ROOM);
    tokio::spawn(async move {
        state.subscribers.inc();
        let _ = follow(&told, pinged, subscription).await;
        state.subscribers.dec();
    });
    Ok(LocalSubscription { events, pings })
}

/// None when the subscriber is gone.
async fn follow(
    told: &mpsc::Sender<FeedEvent>,
    mut pinged: mpsc::Receiver<u64>,
    mut subscription: Subscription,
) -> Option<()> {
    let tell = async |message| told.send(FeedEvent::Message(message)).await.ok();
    tell(FeedMessage::Hello {
        incarnation: subscription.incarnation.clone(),
        resumed: subscription.resumed,
        tag: Some(subscription.tag.clone()),
    })
    .await?;
    loop {
        tokio::select! {
            news = subscription.next(ENTRIES) => match news {
                News::Entries(entries, tag) => {
                    let tag = Some(tag);
                    tell(FeedMessage::Entries { entries, tag }).await?;
                }
                News::Pong(ping) => tell(FeedMessage::Pong { ping }).await?,
                News::Renewed => return told.send(FeedEvent::Renewed).await.ok(),
                News::Stopped => return told.send(FeedEvent::Stopped).await.ok(),
            },
            ping = pinged.recv() => {
                if !subscription.ping(ping?) {
                    return None;
                }
            }
        }
    }
}
