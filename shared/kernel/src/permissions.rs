//! The platform's own permissions: the types that handlers ask for, the list, the namespaces that are ours, and what is
//! privileged all come from the declarations of the services.

use crate::Service;

pub use crate::service::permissions::*;

/// A permission a handler can ask for.
pub trait Permission: 'static {
    /// `resource:verb`.
    const NAME: &'static str;

    /// See [`Declared::privileged`].
    const PRIVILEGED: bool;
}

/// One of the platform's own permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// `resource:verb`.
    pub name: &'static str,
    /// True if its holders could harm others: their sessions are short, and a token of theirs is accepted only while
    /// it is certain that it was not revoked.
    pub privileged: bool,
    /// What a holder may do, for the documentation.
    pub allows: &'static str,
}

/// Returns every permission of the platform's own, service by service.
pub fn own() -> impl Iterator<Item = &'static Declared> {
    Service::ALL
        .into_iter()
        .flat_map(|service| service.declaration().permissions)
}

/// In a declaration: a permission whose holders could harm others.
#[expect(non_upper_case_globals, reason = "a word of the declarations")]
pub(crate) const privileged: bool = true;
/// In a declaration: a permission to read.
#[expect(non_upper_case_globals, reason = "a word of the declarations")]
pub(crate) const ordinary: bool = false;
