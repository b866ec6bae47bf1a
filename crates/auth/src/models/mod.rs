//! Rules and stores of auth, by noun. Nothing here knows the service's state.

pub mod credential;
pub mod device;
pub mod error;
pub mod password;
pub mod peers;
pub mod place;
pub mod queue;
pub mod schema;
pub mod signing_key;
pub mod throttle;
pub mod token;
pub mod unlock;

#[cfg(test)]
pub(crate) mod test_rings;
