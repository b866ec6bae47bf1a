//! Declares role to the platform. `ud-kernel` compiles this file, so that every program knows it
//! (docs/ADDING-A-SERVICE.md).

use crate::declaration::{Declaration, codes, events, keys, permissions};

/// The declaration of role.
pub static DECLARATION: Declaration = Declaration {
    name: "role",
    binary: "role-service",
    config_prefix: "ROLE",
    public_port: Some(8002),
    internal_port: 8102,
    openapi: Some("/api/v1/roles/openapi.json"),
    url: &keys::ROLE_URL,
    key_encryption_keys: None,
    key_rings: &[],
    has_database_server: true,
    key_prefixes: &[],
    keys: GROUPS,
    permissions: PERMISSIONS,
    codes: CODES,
    events: EVENTS,
};

permissions! {
    RolesRead = ordinary "roles:read" "Read all roles, and check what any user may do.";
    RolesWrite = privileged "roles:write" "Create, change and delete roles.";
    RolesGrant = privileged "roles:grant" "Hand out and take away roles that one does not have; permissions are bound as without it.";
    RoleAssignmentsRead = ordinary "role-assignments:read" "Read the assignments of all users.";
    RoleAssignmentsWrite = privileged "role-assignments:write" "Assign roles and take them away.";
}

codes! {
    ROLE_NOT_FOUND = 404 "role.not-found" "Role not found"
        "No role has this id.";
    ROLE_NAME_TAKEN = 409 "role.name-taken" "Role name taken"
        "Another role has this name.";
    ROLE_ESCALATION = 403 "role.escalation" "Would grant what you do not hold"
        "Your own permissions must include every permission of the role, before and after the change. Without `roles:grant` you give and take only roles that you hold yourself, and change no role of a user who holds more than you.";
    ROLE_OUTLIVES_GRANTOR = 422 "role.outlives-grantor" "Would outlive what you hold"
        "What you give ends no later than what you hold. An assignment needs an `expires_at` no later than the end of your own role and permissions; permissions put into a role must be yours without end.";
    ROLE_BUILT_IN = 409 "role.built-in" "Built-in role"
        "`admin` is never changed; neither `admin` nor `user` is deleted or assigned contrary to its nature.";
    ROLE_LAST_ADMINISTRATOR = 409 "role.last-administrator" "Last administrator"
        "There is always an administrator. Assign the role to somebody else first.";
    ROLE_TOO_MANY_PERMISSIONS = 422 "role.too-many-permissions" "Too many permissions"
        "At most 100 permissions a role, 20 roles a user, and for one user 2,500 bytes of names in effect, each with its quotes and a comma. Where issuer, audience and algorithm leave less of an access token, `detail` says how much.";
    ROLE_ASSIGNMENT_NOT_FOUND = 404 "role.assignment-not-found" "Assignment not found"
        "No assignment has this id, or it is not yours to see.";
    ROLE_ALREADY_ASSIGNED = 409 "role.already-assigned" "Already assigned"
        "The user already has this role.";
    ROLE_UNKNOWN_USER = 422 "role.unknown-user" "Unknown user"
        "No living user has this id.";
    ROLE_ADMINISTRATOR_EXISTS = 409 "role.administrator-exists" "An administrator has existed"
        "Internal: the first administrator is made only once.";
}

events! {
    of Role;
    /// A role was made. Subject: the role.
    ROLE_CREATED = "role_created";
    /// A role's permissions or description changed. Subject: the role. Details: a [`crate::models::NotBefore`]
    /// when it lost a permission, otherwise none.
    ROLE_UPDATED = "role_updated" to Session;
    /// A role is gone. Subject: the role. Details: a [`crate::models::NotBefore`].
    ROLE_DELETED = "role_deleted" to Session;
    /// A user got a role. Subject: the assignment.
    ROLE_ASSIGNED = "role_assigned";
    /// A user lost a role. Subject: the assignment. Details: a [`crate::models::NotBefore`].
    ROLE_UNASSIGNED = "role_unassigned" to Session;
    /// An assignment was removed after its end. Subject: the assignment.
    ROLE_ASSIGNMENT_EXPIRED = "role_assignment_expired";
}

keys! {
    "Services among each other":
    ROLE_URL, SHARED.example("http://127.0.0.1:8102"),
        "Base address of role's internal listener.";
    "Limits":
    LIMIT_CREATE_ROLE, SHARED.default("600/60"),
        "New roles, `count/seconds`, for one user.";
    LIMIT_UPDATE_ROLE, SHARED.default("600/60"),
        "Changes of roles, `count/seconds`, for one user.";
    LIMIT_DELETE_ROLE, SHARED.default("600/60"),
        "Deletions of roles, `count/seconds`, for one user.";
    LIMIT_CREATE_ASSIGNMENT, SHARED.default("600/60"),
        "Roles given, `count/seconds`, for one user.";
    LIMIT_DELETE_ASSIGNMENT, SHARED.default("600/60"),
        "Roles taken away, `count/seconds`, for one user.";
}
