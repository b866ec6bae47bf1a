//! The two ways to the revocation feed: a WebSocket, and a channel within the process.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _, future::BoxFuture};
use reqwest::{Client, StatusCode, Url};
use reqwest_websocket::{CloseCode, Message, Upgrade as _, WebSocket};
use tokio::sync::mpsc;
use ud_kernel::{
    Service,
    models::{FeedKnown, FeedMessage, FeedPing},
};

use super::{feed::CONNECT, state::StateUnavailable};
use crate::{SignError, outbound_client, service::ServiceSigner};

/// Why following ended for now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("no service token could be signed")]
    Sign(#[from] SignError),
    #[error("{0}")]
    WebSocket(#[from] reqwest_websocket::Error),
    #[error("no answer in time")]
    Silent,
    #[error("the session service ended it")]
    Closed,
    #[error("the session service ended it, its store may be another one")]
    Renewed,
    #[error("a message was not understood")]
    Message,
    #[error("what is known of the feed was not understood")]
    Claim,
}

/// Follows the feed from where it is known to have been seen, within the process.
pub type LocalFeed = Arc<
    dyn Fn(Option<FeedKnown>) -> BoxFuture<'static, Result<LocalSubscription, StateUnavailable>>
        + Send
        + Sync,
>;

/// The subscriber's ends of a feed within the process.
pub struct LocalSubscription {
    /// Receives what the feed tells.
    pub events: mpsc::Receiver<FeedEvent>,
    /// Takes pings.
    pub pings: mpsc::Sender<u64>,
}

/// A message of a feed within the process, or its end.
#[derive(Debug)]
pub enum FeedEvent {
    /// A message as over the WebSocket.
    Message(FeedMessage),
    /// The feed ends: the process stops.
    Stopped,
    /// The feed ends: the store is another one.
    Renewed,
}

/// The way to the feed.
pub(super) enum Way {
    WebSocket {
        url: Url,
        http: Client,
        signer: Arc<ServiceSigner>,
    },
    Local(LocalFeed),
}

/// One subscription.
pub(super) enum Connection {
    WebSocket(Box<WebSocket>),
    Local(LocalSubscription),
}

impl Way {
    /// To the session service at `session_url`.
    pub(super) fn over_http(
        session_url: &Url,
        signer: Arc<ServiceSigner>,
    ) -> Result<Self, reqwest::Error> {
        let base = session_url.path().trim_end_matches('/');
        let path = format!("{base}/internal/v1/revocations");
        let mut url = session_url.clone();
        url.set_path(&path);
        let http = outbound_client([session_url])
            .connect_timeout(CONNECT)
            .http1_only()
            .tcp_nodelay(true)
            .build()?;
        Ok(Self::WebSocket { url, http, signer })
    }

    pub(super) async fn connect(&self, known: Option<FeedKnown>) -> Result<Connection, Ended> {
        let (url, http, signer) = match self {
            Self::WebSocket { url, http, signer } => (url, http, signer),
            Self::Local(feed) => {
                let subscription = feed(known).await.map_err(|_| Ended::Closed)?;
                return Ok(Connection::Local(subscription));
            }
        };
        let token = signer.token(Service::Session, None)?;
        let mut request = http.get(url.clone()).bearer_auth(token);
        let claims = known.is_some();
        if let Some(known) = known {
            request = request.query(&known);
        }
        let response = request.upgrade().send().await?;
        if claims && response.status() == StatusCode::BAD_REQUEST {
            return Err(Ended::Claim);
        }
        let websocket = response.into_websocket().await?;
        Ok(Connection::WebSocket(Box::new(websocket)))
    }
}

impl Connection {
    /// Returns the next message. Nothing is lost if it is not waited for to the end.
    pub(super) async fn next(&mut self) -> Result<FeedMessage, Ended> {
        let websocket = match self {
            Self::WebSocket(websocket) => websocket,
            Self::Local(subscription) => {
                return match subscription.events.recv().await {
                    Some(FeedEvent::Message(message)) => Ok(message),
                    Some(FeedEvent::Stopped) => Err(Ended::Closed),
                    Some(FeedEvent::Renewed) | None => Err(Ended::Renewed),
                };
            }
        };
        loop {
            match websocket.next().await.ok_or(Ended::Closed)?? {
                Message::Text(text) => {
                    return serde_json::from_str(&text).map_err(|_| Ended::Message);
                }
                // RFC 6455 section 7.4.1: 1001, going away.
                Message::Close {
                    code: CloseCode::Away,
                    ..
                } => return Err(Ended::Closed),
                Message::Close { .. } => return Err(Ended::Renewed),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Binary(_) => return Err(Ended::Message),
            }
        }
    }

    pub(super) async fn ping(&mut self, ping: FeedPing) -> Result<(), Ended> {
        match self {
            Self::WebSocket(websocket) => {
                let text = serde_json::to_string(&ping).map_err(|_| Ended::Message)?;
                Ok(websocket.send(Message::Text(text)).await?)
            }
            Self::Local(subscription) => {
                // Why the other side has ended stands in an event that is not read yet: the stricter reason is taken.
                let sent = subscription.pings.send(ping.ping).await;
                sent.map_err(|_| Ended::Renewed)
            }
        }
    }
}
