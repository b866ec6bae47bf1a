#![doc = include_str!("../README.md")]

mod administrator;
mod command;
mod config;
mod documents;
mod installation;
mod kept;
mod ring;
mod services;
mod start;
mod welcome;

pub use command::main;
pub use documents::{joined_openapi, openapi_documents};
pub use services::{Known, SERVICES};
