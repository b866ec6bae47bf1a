//! Use cases: each joins the rules and stores of `models/` with the other services and the outbox, by the service's state.

pub mod change_password;
pub mod check_password;
pub mod complete_login;
pub mod credentials;
pub(crate) mod hashing;
pub mod log_in;
pub mod log_out;
pub mod refresh;
pub mod reset_password;
pub mod revoke_all;
pub mod rewrap;
pub mod signing_keys;
pub mod unlock;
