//! The operations that services offer each other: one table of what is sent, where, and what comes back. Over HTTP they are
//! the routes below `/internal/v1`; in one process they are calls.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    SessionId, UserId,
    id::{Id, IdKind},
    models::{
        self, Access, Credential, CredentialStatusChanged, CredentialUnlocked, FirstAdministrator,
        NotBefore, RevokedKey, SessionGrant, SessionStateQuery, SessionStateResponse,
        SessionsClosed, UserStanding,
    },
};

/// The HTTP method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Safe; its body is the query.
    Get,
    /// Idempotent by definition.
    Put,
    /// Idempotent by an id or a counter in its body.
    Post,
}

impl Method {
    /// Returns its name in HTTP (RFC 9110 section 9.3).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
        }
    }
}

/// An operation that one service offers the others. Every one of them bears being repeated.
pub trait Operation: 'static {
    /// Its method.
    const METHOD: Method;
    /// Its path; `{id}` stands for the key.
    const ROUTE: &'static str;
    /// Names in the path what it is about; `()` if the body does.
    type Key: Key;
    /// Is sent: JSON, or the query of a GET.
    type Body: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Comes back.
    type Output: Reply;
}

/// The segment of a path that names what an operation is about.
pub trait Key: DeserializeOwned + Copy + Send + Sync + 'static {
    /// Returns the path of `route` with this key in it.
    fn path(&self, route: &str) -> String;
}

impl Key for () {
    fn path(&self, route: &str) -> String {
        route.to_owned()
    }
}

impl<K: IdKind> Key for Id<K> {
    fn path(&self, route: &str) -> String {
        route.replace("{id}", &self.to_string())
    }
}

/// The answer of an operation, as an HTTP response: 200 with JSON, 204 for `()`.
pub trait Reply: Sized + Send + 'static {
    /// Returns the status and the body, empty if there is none.
    ///
    /// # Errors
    /// If it is no JSON.
    fn write(&self) -> serde_json::Result<(u16, Vec<u8>)>;

    /// Reads a response of success.
    ///
    /// # Errors
    /// If it is another one.
    fn read(status: u16, body: &[u8]) -> serde_json::Result<Self>;
}

/// Something that was made, or had been: 201 or 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created<T> {
    /// Says whether this call made it.
    pub is_new: bool,
    /// The rest of the answer.
    pub value: T,
}

/// `()` has no body.
fn json<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    Ok(if json == b"null" { Vec::new() } else { json })
}

fn value<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(if body.is_empty() { b"null" } else { body })
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Reply for T {
    fn write(&self) -> serde_json::Result<(u16, Vec<u8>)> {
        let body = json(self)?;
        Ok((if body.is_empty() { 204 } else { 200 }, body))
    }

    fn read(_: u16, body: &[u8]) -> serde_json::Result<Self> {
        value(body)
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Reply for Created<T> {
    fn write(&self) -> serde_json::Result<(u16, Vec<u8>)> {
        Ok((if self.is_new { 201 } else { 200 }, json(&self.value)?))
    }

    fn read(status: u16, body: &[u8]) -> serde_json::Result<Self> {
        Ok(Self {
            is_new: status == 201,
            value: value(body)?,
        })
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $method:ident $route:literal, $key:ty, $body:ty => $output:ty;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl Operation for $name {
                const METHOD: Method = Method::$method;
                const ROUTE: &'static str = $route;
                type Key = $key;
                type Body = $body;
                type Output = $output;
            }
        )+

        /// Name, method and path of each.
        pub const OPERATIONS: &[(&str, Method, &str)] =
            &[$((stringify!($name), Method::$method, $route)),+];
    };
}

operations! {
    /// At auth: the commit point of a registration. [`models::CreateCredential`] has its refusals.
    CreateCredential = Put "/internal/v1/credentials/{id}", UserId, models::CreateCredential => Created<Credential>;
    /// At auth: reads a credential; 404 `auth.credential-not-found`.
    ReadCredential = Get "/internal/v1/credentials/{id}", UserId, () => Credential;
    /// At auth: follows a change of the user's status.
    SetCredentialStatus = Put "/internal/v1/credentials/{id}/status", UserId, models::SetCredentialStatus => CredentialStatusChanged;
    /// At auth: makes an unlock code.
    UnlockCredential = Post "/internal/v1/credentials/{id}/unlock", UserId, models::UnlockCredential => CredentialUnlocked;
    /// At role: tells what a user may do now.
    ReadAccess = Get "/internal/v1/users/{id}/access", UserId, () => Access;
    /// At role: takes whether a user can log in, and answers with what it holds.
    SetStanding = Put "/internal/v1/users/{id}/standing", UserId, UserStanding => UserStanding;
    /// At role: makes the first administrator, once; 409 `role.administrator-exists`.
    CreateAdministrator = Post "/internal/v1/administrators", (), FirstAdministrator => Created<()>;
    /// At session: creates a session. [`models::CreateSession`] has its refusals.
    CreateSession = Put "/internal/v1/sessions/{id}", SessionId, models::CreateSession => Created<SessionGrant>;
    /// At session: the commit point of a refresh. [`models::RotateSession`] has its refusals.
    RotateSession = Post "/internal/v1/sessions/rotate", (), models::RotateSession => SessionGrant;
    /// [`RotateSession`], as auth of the release before calls it.
    StepSession = Post "/internal/v1/sessions/step", (), models::RotateSession => SessionGrant;
    /// At session: closes one session of a user, or those below an epoch.
    CloseSessions = Post "/internal/v1/sessions/close", (), models::CloseSessions => SessionsClosed;
    /// At session: tells whether a session is open and its token current.
    ReadSessionState = Get "/internal/v1/sessions/{id}/state", SessionId, SessionStateQuery => SessionStateResponse;
    /// At session: sets the policy version below which tokens are stale.
    SetNotBefore = Post "/internal/v1/not-before", (), NotBefore => ();
    /// [`SetNotBefore`], as role of the release before calls it.
    SetMark = Post "/internal/v1/marks", (), NotBefore => ();
    /// At session: tokens of a signing key are stale from now on.
    RevokeKey = Post "/internal/v1/revoked-keys", (), RevokedKey => ();
}
