#![doc = include_str!("../README.md")]

mod clock;
mod cursor;
mod declaration;
mod event_type;
mod failpoints;
mod field_error;
mod id;
mod patch;
mod problem;
mod revocation;
mod service;
mod source;
mod start_error;

pub mod callers;
pub mod key;
pub mod models;
pub mod operation;
pub mod permission;
pub mod permissions;

/// The configuration keys that the services declare.
pub mod keys {
    pub use crate::service::keys::*;
}

pub use clock::{Clock, Timestamp};
pub use cursor::{Cursor, CursorError};
pub use declaration::Declaration;
pub use event_type::EventType;
pub use failpoints::Failpoints;
pub use field_error::{FieldError, check_line, trim_identifier};
pub use id::{
    AssignmentId, EventId, Id, IdError, IdKind, RecordId, RoleId, SessionId, UserId, kinds,
};
pub use patch::Patch;
pub use problem::Code;
pub use revocation::Revocation;
pub use service::Service;
pub use source::{LimitKey, Network, Source};
pub use start_error::StartError;
