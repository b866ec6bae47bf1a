//! The session store's server.

use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use ud_kernel::Service;
use url::Url;

use super::database::refuse_placeholder_password;
use crate::{Loader, keys};

/// What the Redis server promises about writes it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// AOF with `appendfsync always`: they survive kill -9.
    Fsync,
    /// At least one replica has them.
    Replicated,
    /// Those of the last second may be undone.
    Lossy,
}

impl FromStr for Durability {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "fsync" => Ok(Self::Fsync),
            "replicated" => Ok(Self::Replicated),
            "lossy" => Ok(Self::Lossy),
            _ => Err(()),
        }
    }
}

/// `REDIS_URL`, `REDIS_DURABILITY`.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://` or `rediss://`, password included.
    pub url: SecretString,
    /// Declared promise.
    pub durability: Durability,
}

impl RedisConfig {
    /// None when `REDIS_URL` is not set.
    pub fn load(loader: &mut Loader, _service: Service) -> Option<Self> {
        let key = &keys::REDIS_URL;
        let found = loader.find(key)?;
        let declared = loader.parse(&keys::REDIS_DURABILITY, "`fsync`, `replicated` or `lossy`");
        let durability = if loader.app_env().is_production() {
            loader.require(&keys::REDIS_DURABILITY, declared)
        } else {
            declared
        };
        let url: SecretString = found.text.as_str().into();
        let parsed = Url::parse(url.expose_secret()).ok().filter(|url| {
            matches!(url.scheme(), "redis" | "rediss")
                && url.host_str().is_some_and(|h| !h.is_empty())
        });
        match parsed {
            None => loader.problem(key, "is not redis://host:port or rediss://host:port"),
            Some(parsed) => {
                let port = Some(parsed.port().unwrap_or(6379));
                let host = parsed.host_str().unwrap_or_default().to_owned();
                // redis-rs takes `#insecure` for "do not verify the certificate".
                match (parsed.scheme(), parsed.fragment()) {
                    ("rediss", None) => {}
                    ("rediss", Some(_)) => {
                        loader.refuse_plaintext_host(
                            key,
                            &host,
                            port,
                            "does not verify the server",
                        );
                    }
                    _ => loader.refuse_plaintext_host(key, &host, port, "is not encrypted"),
                }
                refuse_placeholder_password(loader, key, parsed.password());
            }
        }
        Some(Self {
            url,
            durability: durability.unwrap_or(Durability::Lossy),
        })
    }
}
