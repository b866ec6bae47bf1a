//! `GET /internal/v1/revocations`, a WebSocket.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason, MessageStream, Session};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use ud_http::{FromService, Problem, RequestProvenance};
use ud_kernel::{
    Code,
    models::{FeedKnown, FeedMessage, FeedPing, FeedPosition},
};
use ud_service::callers;

use crate::{
    models::feed::{News, Subscription},
    state::SessionState,
};

/// Entries of one message: about 15 KB.
pub(super) const ENTRIES: usize = 100;
/// A verifier has this long to take a message. actix-ws keeps at most 32 that are not taken, half a megabyte; who does
/// not read is cut off, and resumes.
const SEND: Duration = Duration::from_secs(2);
/// A verifier pings twice a second: one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// Longest message of a verifier, in bytes.
const MAX_PING: usize = 256;

/// From where a verifier goes on.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FollowQuery {
    #[serde(default)]
    incarnation: Option<String>,
    #[serde(default)]
    position: Option<FeedPosition>,
    #[serde(default)]
    tag: Option<String>,
}

/// Upgrades to a WebSocket and tells revocations until one side ends it: from where the verifier was, if session's own tag
/// says so, and otherwise from the oldest.
///
/// # Errors
/// 400 for what is no upgrade; 403 with an `Origin`: no browser has business here; 503 if the store cannot be read.
pub async fn follow_revocations(
    caller: FromService<callers::Any>,
    origin: RequestProvenance,
    state: web::Data<SessionState>,
    request: HttpRequest,
    query: web::Query<FollowQuery>,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    if request.headers().contains_key(header::ORIGIN) {
        return Err(Problem::new(Code::AUTH_PERMISSION_DENIED));
    }
    let query = query.into_inner();
    let known = query.incarnation.zip(query.position);
    let claim = known.map(|(incarnation, position)| FeedKnown {
        incarnation,
        position,
        tag: query.tag,
    });
    let known = claim.and_then(|claim| state.believe(claim, caller.service, || origin.0));
    let subscription = state.feed.subscribe(known).await?;
    let (response, session, messages) = actix_ws::handle(&request, body)
        .map_err(|e| Problem::new(Code::REQUEST_MALFORMED).cause(e))?;
    let subscribers = state.subscribers.clone();
    actix_web::rt::spawn(async move {
        subscribers.inc();
        let reason = follow(session.clone(), messages, subscription).await;
        subscribers.dec();
        // The other side may be gone already.
        let _ = timeout(SEND, session.close(reason)).await;
    });
    Ok(response)
}

/// Tells what there is to tell; gives the reason why it ends, for the other side.
async fn follow(
    mut session: Session,
    messages: MessageStream,
    mut subscription: Subscription,
) -> Option<CloseReason> {
    let mut messages = messages
        .max_frame_size(MAX_PING)
        .aggregate_continuations()
        .max_continuation_size(MAX_PING);
    let hello = FeedMessage::Hello {
        incarnation: subscription.incarnation.clone(),
        resumed: subscription.resumed,
        tag: Some(subscription.tag.clone()),
    };
    send(&mut session, &hello).await?;
    loop {
        let next = tokio::select! {
            news = subscription.next(ENTRIES) => Ok(news),
            message = timeout(SILENCE, messages.next()) => Err(message),
        };
        match next {
            Ok(News::Entries(entries, tag)) => {
                let tag = Some(tag);
                send(&mut session, &FeedMessage::Entries { entries, tag }).await?;
            }
            Ok(News::Pong(ping)) => send(&mut session, &FeedMessage::Pong { ping }).await?,
            Ok(News::Renewed) => return Some(CloseCode::Restart.into()),
            Ok(News::Stopped) => return Some(CloseCode::Away.into()),
            Err(Ok(Some(Ok(AggregatedMessage::Text(text))))) => {
                match serde_json::from_str::<FeedPing>(&text) {
                    Ok(FeedPing { ping }) if subscription.ping(ping) => {}
                    Ok(_) => return Some(CloseCode::Policy.into()),
                    Err(_) => return Some(CloseCode::Unsupported.into()),
                }
            }
            Err(Ok(Some(Ok(AggregatedMessage::Ping(bytes))))) => {
                session.pong(&bytes).await.ok()?;
            }
            Err(Ok(Some(Ok(AggregatedMessage::Pong(_))))) => {}
            Err(Ok(Some(Ok(AggregatedMessage::Binary(_))))) => {
                return Some(CloseCode::Unsupported.into());
            }
            // Closed by the other side, broken, or silent.
            Err(_) => return None,
        }
    }
}

/// None if it is not taken in time.
async fn send(session: &mut Session, message: &FeedMessage) -> Option<()> {
    let text = serde_json::to_string(message).ok()?;
    timeout(SEND, session.text(text)).await.ok()?.ok()
}
