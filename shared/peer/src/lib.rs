#![doc = include_str!("../README.md")]

mod client;
mod error;
mod http;
mod local;

pub use client::{Peers, ServiceClient};
pub use error::{CallError, RemoteProblem};
pub use http::{CALLER, REQUEST_TIMEOUT};
pub use local::{LocalAnswer, LocalHandler, LocalOperations};
