use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use reqwest::{Client, Url};
use ud_kernel::{
    Service, SessionId,
    models::{SessionState, SessionStateQuery, SessionStateResponse},
};

use super::state::{StateSource, StateUnavailable};
use crate::{SignError, outbound_client, service::ServiceSigner};

/// For one request: within the checker's 250 ms, and early enough to tell in the log what failed.
const TIMEOUT: Duration = Duration::from_millis(200);
/// Longest answer read, in bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024;

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the client for session states could not be set up")]
pub struct HttpStateError(#[from] reqwest::Error);

/// One attempt to ask failed.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no service token could be signed")]
    Sign(#[from] SignError),
    #[error("the session service did not answer")]
    Transport(#[from] reqwest::Error),
    #[error("the session service answered with status {0}")]
    Status(u16),
    #[error("the session service's answer was not understood")]
    Answer,
}

/// Asks `GET {session_url}/internal/v1/sessions/{id}/state` with a service token. `session_url` may end in
/// a path prefix. No redirects, no proxy.
///
/// # Errors
/// [`HttpStateError`].
pub fn http_source(
    session_url: &Url,
    signer: Arc<ServiceSigner>,
) -> Result<StateSource, HttpStateError> {
    let http = outbound_client([session_url])
        .timeout(TIMEOUT)
        // Below the 5 s after which actix closes a connection that nobody uses.
        .pool_idle_timeout(Duration::from_secs(4))
        .build()?;
    let asker = Arc::new(Asker {
        base: session_url.as_str().trim_end_matches('/').to_owned(),
        http,
        signer,
        failing: AtomicBool::new(false),
    });
    Ok(Arc::new(move |session, query| {
        let asker = Arc::clone(&asker);
        async move { asker.ask(session, query).await }.boxed()
    }))
}

struct Asker {
    base: String,
    http: Client,
    signer: Arc<ServiceSigner>,
    /// So that an outage is logged once, not with every request.
    failing: AtomicBool,
}

impl Asker {
    async fn ask(
        &self,
        session: SessionId,
        query: SessionStateQuery,
    ) -> Result<SessionState, StateUnavailable> {
        let mut answer = self.attempt(session, &query).await;
        // A kept connection may have been closed meanwhile; the question may be asked twice. The caller's
        // deadline is for both.
        if matches!(&answer, Err(AskError::Transport(error)) if !error.is_timeout()) {
            answer = self.attempt(session, &query).await;
        }
        if matches!(&answer, Err(AskError::Status(400))) && query.feed_tag.is_some() {
            // Session of the version before knows no tags.
            let query = query.without_claim();
            answer = self.attempt(session, &query).await;
        }
        match answer {
            Ok(state) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    log::info!("the session service answers again");
                }
                Ok(state)
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    log::warn!("{error}; requests are answered with 503 until it does");
                }
                Err(StateUnavailable)
            }
        }
    }

    async fn attempt(
        &self,
        session: SessionId,
        query: &SessionStateQuery,
    ) -> Result<SessionState, AskError> {
        let mut response = self
            .http
            .get(format!(
                "{}/internal/v1/sessions/{session}/state",
                self.base
            ))
            .query(query)
            .bearer_auth(self.signer.token(Service::Session, None)?)
            .send()
            .await?;
        if response.status().as_u16() != 200 {
            return Err(AskError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(AskError::Answer);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice::<SessionStateResponse>(&body)
            .map(|answer| answer.state)
            .map_err(|_| AskError::Answer)
    }
}
