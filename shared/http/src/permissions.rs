//! The platform's own permissions as types, for [`crate::Authed`].

/// A permission a handler can ask for.
pub trait Permission: 'static {
    /// `resource:verb`.
    const NAME: &'static str;
}

macro_rules! permission {
    ($type:ident, $name:literal) => {
        #[doc = concat!("`", $name, "`")]
        #[derive(Debug)]
        pub enum $type {}
        impl Permission for $type {
            const NAME: &'static str = $name;
        }
    };
}

permission!(UsersRead, "users:read");
permission!(UsersWrite, "users:write");
permission!(UsersDelete, "users:delete");
permission!(RolesRead, "roles:read");
permission!(RolesWrite, "roles:write");
permission!(RolesGrant, "roles:grant");
permission!(RoleAssignmentsRead, "role-assignments:read");
permission!(RoleAssignmentsWrite, "role-assignments:write");
permission!(SessionsRead, "sessions:read");
permission!(SessionsWrite, "sessions:write");
permission!(TokensIntrospect, "tokens:introspect");
permission!(AuditsRead, "audits:read");
permission!(AuditsWrite, "audits:write");
permission!(KeysRead, "keys:read");
permission!(KeysWrite, "keys:write");
