//! The platform's own permissions as types, for [`crate::Authed`].

pub use ud_kernel::permissions::*;
