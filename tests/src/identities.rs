//! The services' identities, made as an operator makes them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use ud_jwt::service::{IdentityKey, ServiceSigner};
use ud_kernel::{Clock, Service, UserId};

use crate::{SERVICES, program_of};

/// Private keys of the services, and the set of their public keys.
#[derive(Debug)]
pub struct Identities {
    folder: PathBuf,
}

impl Identities {
    /// Makes them in `folder` by the binaries' own subcommand `keygen`.
    ///
    /// # Panics
    /// If one fails.
    #[must_use]
    pub fn generate(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let identities = Self {
            folder: folder.to_owned(),
        };
        let children = SERVICES.map(|(service, _)| {
            let mut keygen = Command::new(program_of(service));
            keygen.arg("keygen").arg(identities.key_file(service));
            keygen.stdout(Stdio::piped()).stderr(Stdio::piped());
            keygen.spawn().expect("keygen starts")
        });
        let mut keys = Vec::new();
        for child in children {
            let output = child.wait_with_output().expect("keygen ends");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "keygen: {errors}");
            let set: Value =
                serde_json::from_slice(&output.stdout).expect("keygen prints a JWK set");
            keys.extend(set["keys"].as_array().expect("a JWK set has keys").clone());
        }
        let set = json!({"keys": keys}).to_string();
        fs::write(identities.peers_file(), set).expect("the folder can be written");
        identities
    }

    /// For `<SERVICE>_IDENTITY_KEY_FILE`.
    #[must_use]
    pub fn key_file(&self, service: Service) -> PathBuf {
        self.folder.join(format!("{service}.json"))
    }

    /// The private key itself, as it stands in the file (RFC 8037).
    ///
    /// # Panics
    /// If keygen wrote none.
    #[must_use]
    pub fn private_key(&self, service: Service) -> String {
        let json = fs::read(self.key_file(service)).expect("keygen wrote it");
        let key: Value = serde_json::from_slice(&json).expect("keygen writes a JWK");
        key["d"].as_str().expect("a private key").to_owned()
    }

    /// For `IDENTITY_PEERS_FILE`.
    #[must_use]
    pub fn peers_file(&self) -> PathBuf {
        self.folder.join("peers.json")
    }

    /// A good token with which `caller` calls `called`.
    #[must_use]
    pub fn token(&self, caller: Service, called: Service) -> String {
        self.token_at(caller, called, Clock::system())
    }

    /// The same, acting for `user`.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn token_for(&self, caller: Service, called: Service, user: &str) -> String {
        let user: UserId = user.parse().expect("an id");
        let token = self
            .signer(caller, Clock::system())
            .token(called, Some(user));
        token.expect("a token")
    }

    /// The same, made at the time of `clock`.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn token_at(&self, caller: Service, called: Service, clock: Clock) -> String {
        let token = self.signer(caller, clock).token(called, None);
        token.expect("a token")
    }

    fn signer(&self, service: Service, clock: Clock) -> Arc<ServiceSigner> {
        let json = fs::read(self.key_file(service)).expect("keygen wrote it");
        let key = IdentityKey::from_private_jwk(service, &json).expect("keygen writes a JWK");
        Arc::new(ServiceSigner::new(key, clock).expect("a signer"))
    }
}
