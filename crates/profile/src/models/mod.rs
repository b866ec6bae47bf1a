//! Users and the rules about them.

mod account_flow;
mod bootstrap;
mod error;
mod registration_flow;
mod rights;
mod sweeper;

pub mod idempotency_store;
pub mod personal;
pub mod schema;
pub mod user;
pub mod user_store;

pub use account_flow::{AccountFlow, Revocation, StatusChange};
pub use bootstrap::{Bootstrap, BootstrapFlow, BootstrapOutcome, BootstrapReport};
pub use error::ProfileError;
pub use registration_flow::{Registration, RegistrationFlow, RequestKey, activate};
pub use rights::Rights;
pub use sweeper::{GIVEN_UP_AFTER, Sweeper, Swept};
