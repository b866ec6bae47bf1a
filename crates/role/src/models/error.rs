//! What can go wrong in this service, without HTTP in it.

use ud_db::{StoreError, TxError};

/// Why a use case was not carried out. Nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// The caller lacks the permission for the operation itself, whatever their token says.
    #[error("the caller no longer holds the permission")]
    PermissionDenied,
    /// The caller would grant or take what they do not hold: a permission of the role, or the role itself (SECURITY
    /// rule 1).
    #[error("the caller does not hold the role or one of its permissions")]
    Escalation,
    /// The user whose assignment it is holds a permission of this platform that the caller does not hold.
    #[error("the user holds more than the caller")]
    TargetHoldsMore,
    /// The assignment would end later than what the caller holds.
    #[error("the assignment would end later than what the caller holds")]
    AssignmentOutlivesGrantor,
    /// A permission put into a role is held by the caller for a time only.
    #[error("the caller holds a permission of the role for a time only")]
    PermissionsOutliveGrantor,
    /// No role has this id.
    #[error("no such role")]
    RoleNotFound,
    /// Another role has the name.
    #[error("the name is taken")]
    NameTaken,
    /// `admin` and `user` are not changed, deleted or assigned contrary to their nature.
    #[error("the role is built in")]
    BuiltIn,
    /// The caller's copy of the role is not the current one.
    #[error("the role was changed meanwhile")]
    VersionMismatch,
    /// Not `^[a-z][a-z0-9-]{0,62}$`.
    #[error("not a role name")]
    InvalidName,
    /// Not `resource:verb`.
    #[error("not a permission")]
    InvalidPermission,
    /// A role would have too many permissions, or a user too many roles (SECURITY rule 3).
    #[error("too many permissions or roles")]
    TooManyPermissions,
    /// The names of somebody's roles and permissions would take more than `most` bytes of a token.
    #[error("more than {most} bytes of names")]
    NamesTooLong {
        /// Bytes that they may take, quotes and commas included.
        most: usize,
    },
    /// No assignment has this id.
    #[error("no such assignment")]
    AssignmentNotFound,
    /// The user has the role.
    #[error("already assigned")]
    AlreadyAssigned,
    /// No living user has this id.
    #[error("unknown user")]
    UnknownUser,
    /// The account cannot log in, or is about to be unable to: its user does not become an administrator.
    #[error("the user cannot log in")]
    UserInactive,
    /// A user who holds `*` is not made unable to log in.
    #[error("the user is an administrator")]
    IsAdministrator,
    /// An assignment does not end before it begins, nor after the year 9998.
    #[error("not a time an assignment can end")]
    InvalidExpiry,
    /// `admin` is assigned without an end.
    #[error("an administrator's assignment has no end")]
    AdministratorExpires,
    /// Nobody would be administrator.
    #[error("the last administrator")]
    LastAdministrator,
    /// The first administrator has been made, and is somebody else.
    #[error("an administrator has existed")]
    AdministratorExists,
    /// Another service had to be asked and gave no answer; the text is for the log.
    #[error("{0}")]
    PeerUnavailable(String),
    /// Another service gave an answer nobody expects; the text is for the log.
    #[error("{0}")]
    PeerRefused(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TxError for RoleError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
