//! Bodies of the internal routes, agreed between exactly two services each. Times are RFC 3339 in JSON,
//! durations whole seconds.

mod access;
mod credential;
mod provenance;
mod revocation;
mod session;
mod standing;

pub use access::{Access, FirstAdministrator};
pub use credential::{
    CreateCredential, Credential, CredentialStatus, CredentialStatusChanged, CredentialUnlocked,
    PasswordContext, SetCredentialStatus, UnlockCredential,
};
pub use provenance::Provenance;
pub use revocation::{
    FeedEntry, FeedKnown, FeedMessage, FeedPing, FeedPosition, NotAPosition, Revoked, RevokedUntil,
};
pub use session::{
    CloseSessions, CreateSession, NotBefore, RevokedKey, RotateSession, SessionGrant, SessionState,
    SessionStateQuery, SessionStateResponse, SessionsClosed,
};
pub use standing::{Standing, UserStanding};
