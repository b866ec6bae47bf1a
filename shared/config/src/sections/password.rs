//! Passwords and registration.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use ud_kernel::Service;
use url::Url;

use crate::{Loader, keys};

/// What auth asks of passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordConfig {
    /// Shortest password in code points.
    pub min_length: usize,
    /// bcrypt's cost: 2 to this power rounds.
    pub bcrypt_cost: u32,
    /// Where passwords known from breaches are looked up.
    pub breached: BreachedPasswords,
}

/// Where passwords known from breaches are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreachedPasswords {
    /// Nowhere.
    Off,
    /// In a sorted file.
    File(PathBuf),
    /// At a service, which is told the first five digits of a hash.
    Service(Url),
}

impl BreachedPasswords {
    fn load(loader: &mut Loader) -> Self {
        match loader.text(&keys::BREACHED_PASSWORDS).as_deref() {
            Some("file") => {
                let key = &keys::BREACHED_PASSWORDS_FILE;
                let file = loader.file(key);
                loader.require(key, file).map_or(Self::Off, Self::File)
            }
            Some("hibp") => loader
                .address(&keys::BREACHED_PASSWORDS_URL)
                .map_or(Self::Off, Self::Service),
            Some("off") | None => Self::Off,
            Some(_) => {
                loader.problem(&keys::BREACHED_PASSWORDS, "is not `file`, `hibp` or `off`");
                Self::Off
            }
        }
    }
}

impl PasswordConfig {
    /// From the loader.
    pub fn load(loader: &mut Loader, _service: Service) -> Self {
        let lowest_cost = if loader.app_env().is_production() {
            10
        } else {
            4
        };
        Self {
            min_length: loader.number(&keys::PASSWORD_MIN_LENGTH, 8..=256),
            bcrypt_cost: loader.number(&keys::BCRYPT_COST, lowest_cost..=15),
            breached: BreachedPasswords::load(loader),
        }
    }
}

/// The first administrator.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Email address to register.
    pub email: String,
    /// Password; `None` only in standalone, which makes one.
    pub password: Option<SecretString>,
}

/// How profile registers users.
#[derive(Debug, Clone)]
pub struct RegistrationConfig {
    /// Whom to make the first administrator; always there in standalone.
    pub bootstrap: Option<Bootstrap>,
}

impl RegistrationConfig {
    /// From the loader.
    pub fn load(loader: &mut Loader, _service: Service) -> Self {
        if let Some(text) = loader.text(&keys::REGISTRATION_DISCLOSURE)
            && text != "conflict"
        {
            loader.problem(
                &keys::REGISTRATION_DISCLOSURE,
                "can only be `conflict` until the platform sends mail",
            );
        }
        Self {
            bootstrap: load_bootstrap(loader),
        }
    }
}

fn load_bootstrap(loader: &mut Loader) -> Option<Bootstrap> {
    let min_length: usize = loader.number(&keys::PASSWORD_MIN_LENGTH, 8..=256);
    let mut password = loader.secret(&keys::BOOTSTRAP_ADMIN_PASSWORD);
    let length = password.as_ref().map(|p| p.expose_secret().chars().count());
    if length.is_some_and(|length| length < min_length) {
        loader.problem(
            &keys::BOOTSTRAP_ADMIN_PASSWORD,
            format!("is shorter than PASSWORD_MIN_LENGTH ({min_length})"),
        );
        password = None;
    }
    let email = loader.text(&keys::BOOTSTRAP_ADMIN_EMAIL);
    if loader.is_standalone() {
        let email = email.unwrap_or_else(|| "admin@localhost".to_owned());
        return Some(Bootstrap { email, password });
    }
    match email {
        Some(email) => {
            let password = loader.require(&keys::BOOTSTRAP_ADMIN_PASSWORD, password);
            Some(Bootstrap { email, password })
        }
        None => {
            if loader.is_set(&keys::BOOTSTRAP_ADMIN_PASSWORD) {
                loader.require(&keys::BOOTSTRAP_ADMIN_EMAIL, None::<()>);
            }
            None
        }
    }
}
