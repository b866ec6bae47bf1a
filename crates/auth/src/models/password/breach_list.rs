//! Passwords known from breaches (SECURITY rule 9). Where the list does not answer, the password passes: one that
//! nobody can choose because a list is away would be worse, and the rest of the policy holds all the same (NIST
//! SP 800-63B asks for the comparison, not for the refusal to work without it). Such answers are counted.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use prometheus::IntCounterVec;
use reqwest::{Client, Url, header};
use ud_config::BreachedPasswords;
use ud_jwt::outbound_client;
use ud_telemetry::Metrics;
use zeroize::Zeroizing;

use super::breach_file::{BreachFile, DIGITS};
use crate::models::error::AuthError;

/// For asking the service, from the first byte to the last.
const DEADLINE: Duration = Duration::from_secs(1);
/// Digits that the service is told.
const PREFIX: usize = 5;
/// Bytes of its answer; it has some 50 KiB.
const MAX_ANSWER: usize = 256 * 1024;

/// SHA-1 in upper-case hex, by which all these lists go.
pub struct BreachHash(Zeroizing<[u8; DIGITS]>);

impl BreachHash {
    /// Of `password`.
    #[must_use]
    pub fn of(password: &str) -> Self {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let mut text = Zeroizing::new([0; DIGITS]);
        // 20 bytes are 40 digits.
        let _ = hex::encode_to_slice(hash.as_ref(), text.as_mut_slice());
        text.make_ascii_uppercase();
        Self(text)
    }

    fn split(&self) -> (&str, &str) {
        let text = std::str::from_utf8(self.0.as_slice()).unwrap_or_default();
        text.split_at_checked(PREFIX).unwrap_or_default()
    }
}

/// The list, and how often it was asked.
pub struct BreachList {
    list: List,
    checks: IntCounterVec,
}

enum List {
    Off,
    File(BreachFile),
    Service { http: Client, base: Url },
}

impl BreachList {
    /// As configured; a file is opened and looked at.
    ///
    /// # Errors
    /// [`AuthError::Internal`] for a file that is no such list.
    pub fn new(config: &BreachedPasswords, metrics: &Metrics) -> Result<Self, AuthError> {
        let list = match config {
            BreachedPasswords::Off => List::Off,
            BreachedPasswords::File(path) => {
                let file = BreachFile::open(path);
                List::File(file.map_err(|error| {
                    AuthError::Internal(format!("BREACHED_PASSWORDS_FILE: {error}"))
                })?)
            }
            BreachedPasswords::Service(base) => List::Service {
                http: outbound_client([base])
                    .timeout(DEADLINE)
                    .user_agent("user-domain")
                    .build()
                    .map_err(|error| AuthError::Internal(error.to_string()))?,
                base: base.clone(),
            },
        };
        Ok(Self {
            list,
            checks: metrics.counter_vec(
                "password_breach_checks_total",
                "New passwords looked up among those known from breaches, by how that ended: found, clear, unanswered.",
                &["outcome"],
            ),
        })
    }

    /// Whether `hash` is in the file, if there is one. Reads from the disk: call it in the hash pool.
    #[must_use]
    pub fn is_in_file(&self, hash: &BreachHash) -> bool {
        match &self.list {
            List::File(file) => self.count(file.contains(&hash.0)),
            List::Off | List::Service { .. } => false,
        }
    }

    /// Whether the service knows `hash`, if there is one.
    pub async fn is_at_service(&self, hash: &BreachHash) -> bool {
        match &self.list {
            List::Service { http, base } => self.count(ask(http, base, hash).await),
            List::Off | List::File(_) => false,
        }
    }

    fn count<E: std::fmt::Display>(&self, found: Result<bool, E>) -> bool {
        let outcome = match &found {
            Ok(true) => "found",
            Ok(false) => "clear",
            Err(error) => {
                log::warn!("a new password was not looked up among the breached: {error}");
                "unanswered"
            }
        };
        self.checks.with_label_values(&[outcome]).inc();
        found.unwrap_or(false)
    }
}

/// Asks by the first five digits (k-anonymity): hundreds of hashes have them in common. Padding hides from those who
/// see the line how many; entries with the count 0 are such.
async fn ask(http: &Client, base: &Url, hash: &BreachHash) -> Result<bool, String> {
    let (prefix, suffix) = hash.split();
    let url = format!("{}/range/{prefix}", base.as_str().trim_end_matches('/'));
    let request = http
        .get(url)
        .header("add-padding", "true")
        .header(header::ACCEPT, "text/plain");
    // The address tells five digits of the password's hash: it is not for the log.
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let mut answer = request.send().await.map_err(failed)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("status {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER {
            return Err("its answer is too large".to_owned());
        }
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "its answer is no text".to_owned())?;
    let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
    if lines.peek().is_none() {
        return Err("its answer is empty".to_owned());
    }
    for line in lines {
        let (known, count) = line.split_once(':').ok_or("its answer is no such list")?;
        if known.eq_ignore_ascii_case(suffix) {
            return Ok(count.trim().bytes().any(|b| matches!(b, b'1'..=b'9')));
        }
    }
    Ok(false)
}
