//! What an operation asks of its caller, as types.

use std::marker::PhantomData;

use ud_jwt::revocation::Sensitivity;
use ud_kernel::{UserId, permissions::Permission};

use crate::{Caller, RuleLimit};

/// Whose things a caller may see or touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowScope {
    /// Everybody's.
    All,
    /// Their own.
    Own(UserId),
}

impl RowScope {
    /// Whether the things of `user` are in it.
    #[must_use]
    pub fn permits(self, user: UserId) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => own == user,
        }
    }
}

/// What a handler asks of its caller.
pub trait AccessRule: 'static {
    /// What a caller could do who should not get in any more.
    const SENSITIVITY: Sensitivity;

    /// Whether the caller must have proved lately who they are.
    const FRESH: bool = false;

    /// What of the caller's is counted; `ud_http::Limited` sets it.
    const LIMIT: Option<RuleLimit> = None;

    /// The caller's scope; `None` refuses.
    fn scope(caller: &Caller) -> Option<RowScope>;
}

/// What `A` asks, of a login younger than [`MAX_LOGIN_AGE`](crate::MAX_LOGIN_AGE) (SECURITY rule 5, RFC 9470).
#[derive(Debug)]
pub struct Fresh<A>(PhantomData<fn() -> A>);

impl<A: AccessRule> AccessRule for Fresh<A> {
    const SENSITIVITY: Sensitivity = A::SENSITIVITY;
    const FRESH: bool = true;
    const LIMIT: Option<RuleLimit> = A::LIMIT;

    fn scope(caller: &Caller) -> Option<RowScope> {
        A::scope(caller)
    }
}

/// Any authenticated caller, for their own things only.
#[derive(Debug)]
pub enum Own {}

/// Any authenticated caller for their own things; a holder of `P` for everybody's.
#[derive(Debug)]
pub struct OwnOr<P>(PhantomData<fn() -> P>);

/// High for what is privileged.
const fn sensitivity_of<P: Permission>() -> Sensitivity {
    if P::PRIVILEGED {
        Sensitivity::High
    } else {
        Sensitivity::Ordinary
    }
}

impl<P: Permission> AccessRule for P {
    const SENSITIVITY: Sensitivity = sensitivity_of::<P>();

    fn scope(caller: &Caller) -> Option<RowScope> {
        caller.may(P::NAME).then_some(RowScope::All)
    }
}

impl AccessRule for Own {
    const SENSITIVITY: Sensitivity = Sensitivity::Ordinary;

    fn scope(caller: &Caller) -> Option<RowScope> {
        Some(RowScope::Own(caller.user_id()))
    }
}

impl<P: Permission> AccessRule for OwnOr<P> {
    const SENSITIVITY: Sensitivity = sensitivity_of::<P>();

    fn scope(caller: &Caller) -> Option<RowScope> {
        Some(if caller.may(P::NAME) {
            RowScope::All
        } else {
            RowScope::Own(caller.user_id())
        })
    }
}
