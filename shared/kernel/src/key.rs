//! Configuration keys as data: the loader, `.env.example` and docs/CONFIG.md all come from them.

use std::borrow::Cow;

use crate::Service;

/// Who has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One value for all services; the name stands as it is.
    Shared,
    /// A value for each service, under the service's prefix: `AUTH_` and the name.
    PerService {
        /// Name without prefix that a service running alone takes as well; the prefixed one wins.
        alone: Option<&'static str>,
    },
}

/// One configuration key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Name, without prefix until [`Key::of`] gave it one.
    pub name: Cow<'static, str>,
    /// Says whether services share it.
    pub scope: Scope,
    /// True if its value is never shown. A secret can also be given as a file, by `<name>_FILE`.
    pub secret: bool,
    /// Value used when it is not set; `None` where there is none or the help tells how it is found.
    pub default: Option<&'static str>,
    /// A value for `.env.example`. Refused as a secret in earnest.
    pub example: Option<&'static str>,
    /// Its meaning, in one or two sentences.
    pub help: &'static str,
}

impl Key {
    /// Returns this key of one service, with its prefixed name. A shared key stays as it is.
    #[must_use]
    pub fn of(&self, service: Service) -> Self {
        let mut key = self.clone();
        if matches!(self.scope, Scope::PerService { .. }) {
            key.name = Cow::Owned(format!("{}_{}", service.config_prefix(), self.name));
        }
        key
    }
}

/// Keys that belong together under one heading.
#[derive(Debug)]
pub struct Group {
    /// Heading.
    pub title: &'static str,
    /// Its keys, in the order in which they are documented.
    pub keys: &'static [&'static Key],
}

/// What a line of a table says about a key besides its name and help.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    scope: Scope,
    secret: bool,
    default: Option<&'static str>,
    example: Option<&'static str>,
}

/// One value for all services.
pub const SHARED: Line = Line {
    scope: Scope::Shared,
    secret: false,
    default: None,
    example: None,
};
/// One secret value for all services that have it.
pub const SECRET: Line = Line {
    secret: true,
    ..SHARED
};

impl Line {
    /// Returns the line of a key that each service has; one that runs alone reads it by the name `alone` too.
    #[must_use]
    pub const fn own(alone: &'static str) -> Self {
        Self {
            scope: Scope::PerService { alone: Some(alone) },
            ..SHARED
        }
    }

    /// Returns the line of a secret that each service has.
    #[must_use]
    pub const fn own_secret(alone: &'static str) -> Self {
        Self {
            secret: true,
            ..Self::own(alone)
        }
    }

    /// Sets the value of a key that is not set.
    #[must_use]
    pub const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// Sets the value in `.env.example`.
    #[must_use]
    pub const fn example(self, example: &'static str) -> Self {
        Self {
            example: Some(example),
            ..self
        }
    }

    /// Returns the key of this line.
    #[must_use]
    pub const fn key(self, name: &'static str, help: &'static str) -> Key {
        Key {
            name: Cow::Borrowed(name),
            scope: self.scope,
            secret: self.secret,
            default: self.default,
            example: self.example,
            help,
        }
    }
}

/// Declares each key once, by `"Heading": NAME, line, "Help."; …`: in the module `keys` a static to load it by, and its place in
/// `GROUPS` beside that. A function cannot declare statics, and a second list by hand could miss one.
#[macro_export]
macro_rules! key_table {
    ($($title:literal: $($id:ident, $line:expr, $help:literal;)*)*) => {
        /// The configuration keys that are declared here.
        pub mod keys {
            use $crate::key::*;

            $($(#[doc = $help] pub static $id: Key = $line.key(stringify!($id), $help);)*)*
        }

        static GROUPS: &[$crate::key::Group] =
            &[$($crate::key::Group { title: $title, keys: &[$(&keys::$id),*] }),*];
    };
}
