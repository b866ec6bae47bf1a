#![doc = include_str!("../README.md")]

mod client;

pub use client::{CALLER, CallError, Peers, REQUEST_TIMEOUT, RemoteProblem, ServiceClient};
