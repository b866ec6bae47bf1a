//! Request and response bodies.

pub mod audit;
pub mod metadata;
