//! Bodies of requests and responses, and queries.

pub mod internal;
pub mod session;
