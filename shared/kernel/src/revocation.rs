//! The state of a revocation when the change that causes it is committed.

/// Says whether the tokens that a change revokes are refused by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// They are, or the change revokes none.
    Confirmed,
    /// The session service could not be told directly; the event in the outbox will tell it.
    Pending,
}
