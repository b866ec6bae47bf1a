//! Codes with which an operator lets an owner in whom others keep waiting.

pub mod code;
pub mod store;
