#![doc = include_str!("../README.md")]

mod document;
mod error;
mod key_ring;
mod limit;
mod loader;
mod placeholder;
mod sections;
mod source;
mod transport;
mod unknown;

pub mod keys;

pub use document::{env_example, markdown};
pub use error::{ConfigErrors, Problem};
pub use key_ring::KeyRing;
pub use keys::{Key, Scope};
pub use limit::Limit;
pub use loader::Loader;
pub use sections::{
    Algorithm, AppEnv, Bootstrap, BreachedPasswords, DatabaseConfig, Durability, HttpConfig,
    IdentityConfig, LimitsConfig, LogConfig, LogFormat, PasswordConfig, PeersConfig, RedisConfig,
    RegistrationConfig, SealingConfig, SigningConfig, StandaloneConfig, TlsConfig, TokenConfig,
    keys_dir,
};

/// Exit code of a program whose configuration is wrong (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;
