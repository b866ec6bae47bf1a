//! What binaries read, one struct per concern.

mod app_env;
mod database;
mod http;
mod limits;
mod log;
mod password;
mod peers;
mod redis;
mod sealing;
mod standalone;
mod token;

pub use app_env::AppEnv;
pub use database::DatabaseConfig;
pub use http::{HttpConfig, TlsConfig};
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogFormat};
pub use password::{Bootstrap, BreachedPasswords, PasswordConfig, RegistrationConfig};
pub use peers::{IdentityConfig, PeersConfig};
pub use redis::{Durability, RedisConfig};
pub use sealing::{SealingConfig, keys_dir};
pub use standalone::StandaloneConfig;
pub use token::{Algorithm, SigningConfig, TokenConfig};
