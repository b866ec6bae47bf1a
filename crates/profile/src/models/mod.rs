//! Users and the rules about them.

mod account_flow;
mod bootstrap;
mod error;
mod registration_flow;
mod rights;
mod standings;
mod sweeper;

pub mod idempotency_store;
pub mod personal;
pub mod schema;
pub mod standing_store;
pub mod user;
pub mod user_store;

pub(crate) use account_flow::reactivate;
pub use account_flow::{AccountFlow, StatusChange};
pub use bootstrap::{Bootstrap, BootstrapFlow, BootstrapOutcome, BootstrapReport};
pub use error::ProfileError;
pub use registration_flow::{Registration, RegistrationFlow, RequestKey, activate};
pub use rights::Rights;
pub use standings::Standings;
#[cfg(feature = "testing")]
pub use sweeper::GIVEN_UP_AFTER;
pub use sweeper::{Sweeper, Swept};
