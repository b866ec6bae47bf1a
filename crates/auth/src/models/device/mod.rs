//! Device tokens: evidence that an owner logged in with this user agent before.

pub mod store;
pub mod token;
