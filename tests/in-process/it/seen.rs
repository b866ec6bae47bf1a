//! What a client sees.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use ud_kernel::{SessionId, UserId};

use crate::waiting::PATIENCE;

/// What a client sees of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    pub retry_after: Option<String>,
    /// `Revocation: pending`.
    pub is_pending: bool,
    pub body: Value,
}

/// Tokens as a client has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: SessionId,
    pub user: UserId,
    /// Seconds the refresh token is good for.
    pub lasts: u64,
}

impl Seen {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The tokens of a 200.
    #[track_caller]
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{self:?}");
        let text = |name: &str| self.body[name].as_str().unwrap().to_owned();
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session_id").parse().unwrap(),
            user: text("user_id").parse().unwrap(),
            lasts: self.body["refresh_expires_in"].as_u64().unwrap(),
        }
    }

    /// A plain refusal of a refresh token.
    #[track_caller]
    pub fn refused(&self) {
        let refused = (401, "auth.refresh-token-invalid");
        assert_eq!((self.status, self.code()), refused, "{self:?}");
    }
}

impl Tokens {
    pub fn header(&self) -> Value {
        self.part(0)
    }

    pub fn claims(&self) -> Value {
        self.part(1)
    }

    fn part(&self, number: usize) -> Value {
        let part = self.access.split('.').nth(number).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }
}

pub async fn see(request: reqwest::RequestBuilder) -> Seen {
    let answer = request.send().await.unwrap();
    let header = |name| {
        answer
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    Seen {
        status: answer.status().as_u16(),
        retry_after: header("retry-after"),
        is_pending: header("revocation").as_deref() == Some("pending"),
        body: answer.json().await.unwrap_or(Value::Null),
    }
}

/// The same of a request with an access token, made again while nobody can tell in time whether the session lives: on
/// a machine where everything runs at once that happens now and then.
pub async fn decided(request: reqwest::RequestBuilder) -> Seen {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = see(request.try_clone().unwrap()).await;
        if seen.code() != "auth.revocation-unavailable" {
            return seen;
        }
        assert_eq!(seen.status, 503, "{seen:?}");
        assert!(Instant::now() < end, "never decided: {seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
