use std::sync::Mutex;

use tokio::sync::mpsc;

use super::{super::connection::*, *};

/// The other side ended for a reason that stands in no message: its store may be another one.
#[tokio::test(start_paused = true)]
async fn a_ping_that_nobody_takes_ends_freshness_at_once() {
    let feed = Arc::new(Feed::new());
    let (tell, events) = mpsc::channel(8);
    let (pings, mut pinged) = mpsc::channel(8);
    let once = Mutex::new(Some(LocalSubscription { events, pings }));
    let way = Way::Local(Arc::new(move |_| {
        let first = once.lock().unwrap().take();
        // There is no second one in this test.
        Box::pin(async move {
            match first {
                Some(first) => Ok(first),
                None => std::future::pending().await,
            }
        })
    }));
    let clock = Clock::manual(ud_kernel::Timestamp::from_secs(1_000_000));
    let following = tokio::spawn(Follower::new(&feed, way, clock).run());
    let hello = FeedMessage::Hello {
        incarnation: "i-1".into(),
        resumed: false,
        tag: None,
    };
    tell.send(FeedEvent::Message(hello)).await.unwrap();
    let ping = pinged.recv().await.unwrap();
    let pong = FeedMessage::Pong { ping };
    tell.send(FeedEvent::Message(pong)).await.unwrap();
    while !feed.is_fresh() {
        tokio::task::yield_now().await;
    }
    let fresh_at = Instant::now();
    drop(pinged);
    while feed.is_fresh() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The next ping found out, not the time after which an unanswered one would have.
    let lasted = fresh_at.elapsed();
    assert!(
        lasted <= PING_EVERY + Duration::from_millis(20),
        "{lasted:?}"
    );
    // The events' side was open all the time.
    assert!(!following.is_finished());
    drop(tell);
}
