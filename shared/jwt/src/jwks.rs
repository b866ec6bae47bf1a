use std::time::Duration;

use reqwest::{Client, Url};

use crate::{error::KeySetError, jwk::MAX_SET_BYTES, key_set::KeySet, outbound_client};

/// How long one fetch may take, in all.
const DEADLINE: Duration = Duration::from_secs(2);

/// Fetches the JWK set of an issuer: from the one address it was given, without redirects, without a proxy,
/// at most 64 KiB, within 2 s.
#[derive(Debug, Clone)]
pub struct JwksClient {
    url: Url,
    http: Client,
}

/// No set of keys was fetched.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The address is not https, not loopback, and plain http was not allowed.
    #[error("the address of the keys must be https or loopback")]
    Address,
    /// The HTTP client could not be set up, or the address did not answer in time.
    #[error("the keys could not be fetched")]
    Http(#[from] reqwest::Error),
    /// An answer other than 200; redirects are not followed.
    #[error("the keys' address answered with status {0}")]
    Status(u16),
    /// The answer is not an acceptable set.
    #[error("the set of keys was refused")]
    Set(#[from] KeySetError),
}

impl JwksClient {
    /// A client for `url`. Plain http is taken for loopback addresses, elsewhere only with
    /// `allow_plaintext`: whoever can change the answer can issue tokens.
    ///
    /// # Errors
    /// [`JwksError::Address`]; [`JwksError::Http`] if TLS cannot be set up.
    pub fn new(url: Url, allow_plaintext: bool) -> Result<Self, JwksError> {
        let plain_ok = url.scheme() == "http" && (allow_plaintext || is_loopback(&url));
        if url.scheme() != "https" && !plain_ok {
            return Err(JwksError::Address);
        }
        let http = outbound_client([&url])
            .timeout(DEADLINE)
            // One request in seconds: a kept connection would often be found closed.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { url, http })
    }

    /// One request.
    ///
    /// # Errors
    /// See [`JwksError`].
    pub async fn fetch(&self) -> Result<KeySet, JwksError> {
        let mut response = self.http.get(self.url.clone()).send().await?;
        if response.status().as_u16() != 200 {
            return Err(JwksError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_SET_BYTES {
                return Err(KeySetError::TooLarge.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(KeySet::from_jwks(&body)?)
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
