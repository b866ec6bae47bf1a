//! The platform's own permissions, declared once. The types that handlers ask for, the list, the namespaces that are
//! ours, and what is privileged all come from the one table at the end of this file.

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
    /// Whether its holders could harm others: their sessions are short, and a token of theirs is accepted only while
    /// it is certain that it was not revoked.
    pub privileged: bool,
    /// What a holder may do, for the documentation.
    pub allows: &'static str,
}

macro_rules! permissions {
    ($($type:ident $name:literal $kind:ident $allows:literal)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $allows)]
            #[derive(Debug)]
            pub enum $type {}
            impl Permission for $type {
                const NAME: &'static str = $name;
                const PRIVILEGED: bool = permissions!(@ $kind);
            }
        )*

        /// Every permission of the platform's own, in the order of the table.
        pub const OWN: &[Declared] = &[$(Declared {
            name: $name,
            privileged: permissions!(@ $kind),
            allows: $allows,
        }),*];
    };
    (@ privileged) => { true };
    (@ ordinary) => { false };
}

// A permission is `privileged` unless there is a reason: those that are not only read.
permissions! {
    UsersRead "users:read" ordinary "Read, list and search all users."
    UsersWrite "users:write" privileged "Change, suspend, reactivate and unlock users."
    UsersDelete "users:delete" privileged "Delete users."
    RolesRead "roles:read" ordinary "Read all roles, and check what any user may do."
    RolesWrite "roles:write" privileged "Create, change and delete roles."
    RolesGrant "roles:grant" privileged "Hand out and take away roles that one does not have; permissions are bound as without it."
    RoleAssignmentsRead "role-assignments:read" ordinary "Read the assignments of all users."
    RoleAssignmentsWrite "role-assignments:write" privileged "Assign roles and take them away."
    SessionsRead "sessions:read" ordinary "List the sessions of all users."
    SessionsWrite "sessions:write" privileged "Close the sessions of other users."
    TokensIntrospect "tokens:introspect" ordinary "Introspect access tokens (RFC 7662)."
    AuditsRead "audits:read" ordinary "Read the whole audit log."
    AuditsWrite "audits:write" privileged "Write records of other applications to the audit log."
    KeysRead "keys:read" ordinary "List the signing keys."
    KeysWrite "keys:write" privileged "Rotate and revoke signing keys."
}
