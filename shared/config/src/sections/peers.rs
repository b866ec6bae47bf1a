//! Who the other services are, and how this one proves who it is.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use ud_kernel::Service;
use url::Url;

use crate::{Loader, keys};

/// Keys of service tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityConfig {
    /// Own private key (Ed25519, JWK). `None` only in development and in standalone.
    pub key_file: Option<PathBuf>,
    /// Public keys of the callers (JWK set). `None` only in development and in standalone.
    pub peers_file: Option<PathBuf>,
}

impl IdentityConfig {
    /// The files of `service`.
    pub fn load(loader: &mut Loader, service: Service) -> Self {
        let key = keys::IDENTITY_KEY_FILE.of(service);
        let mut key_file = loader.file(&key);
        let mut peers_file = loader.file(&keys::IDENTITY_PEERS_FILE);
        if loader.app_env().is_production() && !loader.is_standalone() {
            key_file = loader.require(&key, key_file);
            peers_file = loader.require(&keys::IDENTITY_PEERS_FILE, peers_file);
        }
        Self {
            key_file,
            peers_file,
        }
    }
}

/// Base addresses of the services' internal listeners; a path in them is a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeersConfig {
    addresses: BTreeMap<Service, Url>,
    /// Tokens are accepted while nobody tells whether their session lives (`REVOCATION_FALLBACK=open`), except for
    /// writing and deleting by permission.
    pub falls_open: bool,
}

impl PeersConfig {
    /// The others as `service` sees them. In production a service without `SESSION_URL` is refused unless
    /// `SIGNATURES_ONLY` says that it may not see closed sessions.
    pub fn load(loader: &mut Loader, service: Service) -> Self {
        let mut peers = Self::default();
        for peer in Service::ALL {
            if let Some(url) = loader.address(peer.declaration().url) {
                peers.set(peer, url);
            }
        }
        let fallback: Option<Fallback> =
            loader.parse(&keys::REVOCATION_FALLBACK, "`closed` or `open`");
        peers.falls_open = matches!(fallback, Some(Fallback::Open));
        let signatures_only = loader.flag(&keys::SIGNATURES_ONLY);
        if loader.app_env().is_production()
            && !loader.is_standalone()
            && service != Service::Session
            && !signatures_only
            && !loader.is_set(&keys::SESSION_URL)
        {
            loader.problem(
                &keys::SESSION_URL,
                "is missing: closed sessions would not be seen; set it, or SIGNATURES_ONLY=true",
            );
        }
        peers
    }

    /// Returns the base address of `service`, if it has one.
    #[must_use]
    pub fn get(&self, service: Service) -> Option<&Url> {
        self.addresses.get(&service)
    }

    /// Sets the base address of `service`.
    pub fn set(&mut self, service: Service, url: Url) {
        self.addresses.insert(service, url);
    }
}

enum Fallback {
    Closed,
    Open,
}

impl FromStr for Fallback {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "closed" => Ok(Self::Closed),
            "open" => Ok(Self::Open),
            _ => Err(()),
        }
    }
}
