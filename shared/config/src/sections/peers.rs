//! Who the other services are, and how this one proves who it is.

use std::{path::PathBuf, str::FromStr};

use ud_kernel::Service;
use url::Url;

use crate::{Key, Loader, keys};

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
    /// Auth.
    pub auth: Option<Url>,
    /// Role.
    pub role: Option<Url>,
    /// Session.
    pub session: Option<Url>,
    /// Audit.
    pub audit: Option<Url>,
    /// Profile.
    pub profile: Option<Url>,
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
            if let Some(url) = loader.address(url_key(peer)) {
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

    /// Base address of `service`.
    #[must_use]
    pub const fn get(&self, service: Service) -> Option<&Url> {
        match service {
            Service::Auth => self.auth.as_ref(),
            Service::Role => self.role.as_ref(),
            Service::Session => self.session.as_ref(),
            Service::Audit => self.audit.as_ref(),
            Service::Profile => self.profile.as_ref(),
        }
    }

    /// Sets the base address of `service`.
    pub fn set(&mut self, service: Service, url: Url) {
        let place = match service {
            Service::Auth => &mut self.auth,
            Service::Role => &mut self.role,
            Service::Session => &mut self.session,
            Service::Audit => &mut self.audit,
            Service::Profile => &mut self.profile,
        };
        *place = Some(url);
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

fn url_key(service: Service) -> &'static Key {
    match service {
        Service::Auth => &keys::AUTH_URL,
        Service::Role => &keys::ROLE_URL,
        Service::Session => &keys::SESSION_URL,
        Service::Audit => &keys::AUDIT_URL,
        Service::Profile => &keys::PROFILE_URL,
    }
}
