//! What a service declares to the platform, in `declaration.rs` of its own crate: every program knows it, whichever
//! service it runs. The macros here write its tables.

use crate::{
    Code, EventType,
    key::{Group, Key},
    permissions::Declared,
};

/// The declaration of one service.
#[derive(Debug)]
pub struct Declaration {
    /// Its name: `iss` and `aud` of service tokens, `kid` of its identity key, destination of events, label of metrics.
    pub name: &'static str,
    /// The name of its program, and of its package.
    pub binary: &'static str,
    /// Stands before the names of its own configuration keys.
    pub config_prefix: &'static str,
    /// Default port of its public listener; none if clients have no business with it.
    pub public_port: Option<u16>,
    /// Default port of its internal listener.
    pub internal_port: u16,
    /// Path of its OpenAPI document on the public listener, which ends in the name of its collection and `/openapi.json`.
    pub openapi: Option<&'static str>,
    /// The key of the base address at which the others find it.
    pub url: &'static Key,
    /// The key of its own ring of keys that seal, if it seals anything.
    pub key_encryption_keys: Option<&'static Key>,
    /// Names of the files with the key rings that it needs in production.
    pub key_rings: &'static [&'static str],
    /// True if its database is on a server in an installation of several processes.
    pub has_database_server: bool,
    /// Beginnings of further names that only keys of its own have: an unknown one is a mistake.
    pub key_prefixes: &'static [&'static str],
    /// Its configuration keys, by heading of docs/CONFIG.md.
    pub keys: &'static [Group],
    /// The permissions that its handlers ask for.
    pub permissions: &'static [Declared],
    /// The problem codes of its own.
    pub codes: &'static [Code],
    /// The events that it alone writes.
    pub events: &'static [EventType],
}

/// Declares permissions: `Type = privileged "resource:verb" "What a holder may do.";`. One is `privileged`, and not
/// `ordinary`, unless it only reads.
macro_rules! permissions {
    ($($type:ident = $kind:ident $name:literal $allows:literal;)*) => {
        /// The permissions as types, for the arguments of handlers.
        pub mod permissions {
            $(
                #[doc = concat!("`", $name, "`: ", $allows)]
                #[derive(Debug)]
                pub enum $type {}

                impl $crate::permissions::Permission for $type {
                    const NAME: &'static str = $name;
                    const PRIVILEGED: bool = $crate::permissions::$kind;
                }
            )*
        }

        static PERMISSIONS: &[$crate::permissions::Declared] = &[$($crate::permissions::Declared {
            name: $name,
            privileged: $crate::permissions::$kind,
            allows: $allows,
        }),*];
    };
}
pub(crate) use permissions;

/// Declares problem codes: `NAME = status "area.what-is-wrong" "Title" "When it comes and what the caller can do.";`.
macro_rules! codes {
    ($($name:ident = $status:literal $text:literal $title:literal $help:literal;)*) => {
        pub(crate) static CODES: &[$crate::Code] = &[$($crate::Code::$name),*];

        impl $crate::Code {
            $(
                #[doc = concat!("`", $text, "`, ", $status, ": ", $help)]
                pub const $name: Self = Self::declare(&$crate::problem::Row {
                    text: $text,
                    status: $status,
                    title: $title,
                    help: $help,
                });
            )*
        }
    };
}
pub(crate) use codes;

/// Declares events: `of Service;`, or `of everybody;`, and for each its doc and `NAME = "type" in lane to Service, …;`: `in lane`
/// where a flood of others must not hide it, `to` whom besides audit it is told.
macro_rules! events {
    (of everybody; $($rest:tt)*) => {
        $crate::declaration::events! { @ None; $($rest)* }
    };
    (of $owner:ident; $($rest:tt)*) => {
        $crate::declaration::events! { @ Some($crate::Service::$owner); $($rest)* }
    };
    (@ $owner:expr; $($(#[$doc:meta])* $name:ident = $text:literal $(in $lane:ident)? $(to $($to:ident),+)?;)*) => {
        pub(crate) static EVENTS: &[$crate::EventType] = &[$($crate::EventType::$name),*];

        impl $crate::EventType {
            $(
                $(#[$doc])*
                pub const $name: Self = {
                    const ROW: &$crate::event_type::Row = &$crate::event_type::Row {
                        text: $text,
                        owner: $owner,
                        to: &[$($($crate::Service::$to),+)?],
                        has_lane: false $(|| $crate::event_type::$lane)?,
                    };
                    Self::declare(ROW)
                };
            )*
        }
    };
}
pub(crate) use events;

pub(crate) use crate::key_table as keys;
