#![doc = include_str!("../README.md")]

mod error;
mod pool;

pub use error::{RedisFailure, Why};
pub use pool::{Confirmed, RESPONSE, Redis};
