//! Every operation that has a limit, as a type for `ud_http::Limited` (SECURITY rule 26).

use ud_config::{Key, keys};
use ud_kernel::Service;

/// An operation that has a limit.
pub trait LimitedOperation: 'static {
    /// Its place in [`OPERATIONS`].
    const INDEX: usize;
    /// What is known of it.
    const OPERATION: Operation;
}

/// How often one operation may be called, and who is counted.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Lower-case words: part of the Redis key, and `x-limit` of the 429 in the OpenAPI document.
    pub name: &'static str,
    /// The service that has it.
    pub service: Service,
    /// Who is counted.
    pub counts: Counts,
    /// The key of its limit.
    pub key: &'static Key,
    /// The key of the limit of those who may do it to everybody, where that is another.
    pub operators: Option<&'static Key>,
    /// Whether it is counted in Redis, if there is one: what costs a password hash. The others are counted in each
    /// process, so that `n` replicas let `n` times as many pass.
    pub is_shared: bool,
    /// Whether requests that come straight from a trusted proxy are not counted.
    pub spares_proxies: bool,
}

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Who asks, by address.
    Sources,
    /// The authenticated user.
    Users,
    /// The session or device of the token in the body; who asks, by address, if there is no good one.
    Presented,
}

const fn counting(
    counts: Counts,
    service: Service,
    name: &'static str,
    key: &'static Key,
) -> Operation {
    Operation {
        name,
        service,
        counts,
        key,
        operators: None,
        is_shared: false,
        spares_proxies: false,
    }
}

impl Operation {
    const fn operators(mut self, key: &'static Key) -> Self {
        self.operators = Some(key);
        self
    }

    const fn shared(mut self) -> Self {
        self.is_shared = true;
        self
    }

    const fn sparing_proxies(mut self) -> Self {
        self.spares_proxies = true;
        self
    }
}

macro_rules! operations {
    ($([$service:ident] $($type:ident = $name:literal, $counts:ident, $key:ident $(, $method:ident($($argument:expr)?))*;)+)+) => {
        #[derive(Clone, Copy)]
        enum Index { $($($type),+),+ }
        $($(
            #[doc = concat!("`", $name, "`")]
            #[derive(Debug)]
            pub enum $type {}
            impl LimitedOperation for $type {
                const INDEX: usize = Index::$type as usize;
                const OPERATION: Operation =
                    counting(Counts::$counts, Service::$service, $name, &keys::$key)$(.$method($($argument)?))*;
            }
        )+)+
        /// All of them.
        pub static OPERATIONS: &[Operation] = &[$($($type::OPERATION),+),+];
    };
}

operations! {
    [Auth]
    Login = "login", Presented, LIMIT_LOGIN, shared();
    LoginDevice = "login_device", Presented, LIMIT_LOGIN_DEVICE;
    Refresh = "refresh", Presented, LIMIT_REFRESH;
    RefreshSession = "refresh_session", Presented, LIMIT_REFRESH_SESSION;
    Logout = "logout", Presented, LIMIT_LOGOUT;
    ChangePassword = "password_change", Users, LIMIT_PASSWORD_CHANGE, shared();
    Reauthenticate = "reauthenticate", Users, LIMIT_REAUTHENTICATE, shared();
    Validate = "validate", Sources, LIMIT_VALIDATE, sparing_proxies();
    Introspect = "introspect", Sources, LIMIT_INTROSPECT;
    Revoke = "revoke", Sources, LIMIT_REVOKE;
    RotateKeys = "rotate_keys", Users, LIMIT_ROTATE_KEYS;
    RevokeKey = "revoke_key", Users, LIMIT_REVOKE_KEY;

    [Profile]
    Registration = "registration", Sources, LIMIT_REGISTRATION, shared();
    UpdateUser = "update_user", Users, LIMIT_UPDATE_USER, operators(&keys::LIMIT_OPERATOR_UPDATE_USER);
    DeleteUser = "delete_user", Users, LIMIT_DELETE_USER, operators(&keys::LIMIT_OPERATOR_DELETE_USER);
    SuspendUser = "suspend_user", Users, LIMIT_SUSPEND_USER;
    ReactivateUser = "reactivate_user", Users, LIMIT_REACTIVATE_USER;
    UnlockUser = "unlock_user", Users, LIMIT_UNLOCK_USER;

    [Session]
    CloseSession = "close_session", Users, LIMIT_CLOSE_SESSION, operators(&keys::LIMIT_OPERATOR_CLOSE_SESSION);
    CloseSessions = "close_sessions", Users, LIMIT_CLOSE_SESSIONS, operators(&keys::LIMIT_OPERATOR_CLOSE_SESSIONS);

    [Role]
    CreateRole = "create_role", Users, LIMIT_CREATE_ROLE;
    UpdateRole = "update_role", Users, LIMIT_UPDATE_ROLE;
    DeleteRole = "delete_role", Users, LIMIT_DELETE_ROLE;
    CreateAssignment = "create_assignment", Users, LIMIT_CREATE_ASSIGNMENT;
    DeleteAssignment = "delete_assignment", Users, LIMIT_DELETE_ASSIGNMENT;

    [Audit]
    CreateAudit = "create_audit", Users, LIMIT_CREATE_AUDIT;
}
