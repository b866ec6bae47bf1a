//! Declares profile to the platform. `ud-kernel` compiles this file, so that every program knows it
//! (docs/ADDING-A-SERVICE.md).

use crate::declaration::{Declaration, codes, events, keys, permissions};

/// The declaration of profile.
pub static DECLARATION: Declaration = Declaration {
    name: "profile",
    binary: "user-profile-service",
    config_prefix: "PROFILE",
    public_port: Some(8005),
    internal_port: 8105,
    openapi: Some("/api/v1/users/openapi.json"),
    url: &keys::PROFILE_URL,
    key_encryption_keys: Some(&keys::PROFILE_KEY_ENCRYPTION_KEYS),
    key_rings: &["key-encryption-keys"],
    has_database_server: true,
    key_prefixes: &["BOOTSTRAP_"],
    keys: GROUPS,
    permissions: PERMISSIONS,
    codes: CODES,
    events: EVENTS,
};

permissions! {
    UsersRead = ordinary "users:read" "Read, list and search all users.";
    UsersWrite = privileged "users:write" "Change, suspend, reactivate and unlock users.";
    UsersDelete = privileged "users:delete" "Delete users.";
}

codes! {
    USER_NOT_FOUND = 404 "user.not-found" "User not found"
        "No user has this id, or it is not yours to see.";
    USER_EMAIL_TAKEN = 409 "user.email-taken" "Email taken"
        "Another account has this email address.";
    USER_USERNAME_TAKEN = 409 "user.username-taken" "Username taken"
        "Another account has, or had within 180 days, this username.";
    USER_FIELD_READ_ONLY = 422 "user.field-read-only" "Field is read-only"
        "The operation changes only the members it documents; `errors` names the others.";
    USER_TARGET_HOLDS_MORE = 403 "user.target-holds-more" "Target holds more"
        "The user acted upon holds a permission of this platform that you do not hold.";
    USER_IS_ADMINISTRATOR = 409 "user.is-administrator" "User is an administrator"
        "Take the role `admin` from the user first.";
    USER_IS_SELF = 409 "user.is-self" "Not on oneself"
        "Nobody suspends or reactivates themselves.";
    USER_STATUS_CONFLICT = 409 "user.status-conflict" "Status does not allow this"
        "The user's status does not allow this, for instance repeating a registration whose user was deleted since.";
}

events! {
    of Profile;
    /// A registration is complete. Subject: the user.
    USER_CREATED = "user_created";
    /// Personal data changed; `before` and `after` name the members. Subject: the user.
    USER_UPDATED = "user_updated";
    /// The account is gone for good. Subject: the user; `sequence` orders it against the direct call to auth.
    USER_DELETED = "user_deleted" to Auth, Role;
    /// An administrator locked the account. Subject: the user; `sequence` orders it against the direct call.
    USER_SUSPENDED = "user_suspended" to Auth;
    /// An administrator unlocked the account. Subject: the user; `sequence` orders it against the direct call.
    USER_REACTIVATED = "user_reactivated" to Auth;
}

keys! {
    "Services among each other":
    PROFILE_URL, SHARED.example("http://127.0.0.1:8105"),
        "Base address of profile's internal listener.";
    "Tokens and passwords":
    PROFILE_KEY_ENCRYPTION_KEYS, SECRET.example("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "The same for profile alone; required there in production.";
    "Registration":
    REGISTRATION_DISCLOSURE, SHARED.default("conflict"),
        "What registering a taken email address answers. Only `conflict` (409) exists: `uniform` needs mail.";
    BOOTSTRAP_ADMIN_EMAIL, SHARED.example("admin@example.com"),
        "Makes the first administrator with this address, once. Ignored after that. Default in standalone: `admin@localhost`.";
    BOOTSTRAP_ADMIN_PASSWORD, SECRET.example("changeme"),
        "The first administrator's password. Standalone makes one when it is not set.";
    "Limits":
    LIMIT_REGISTRATION, SHARED.default("10/3600"),
        "Registrations, `count/seconds`, for one address.";
    LIMIT_UPDATE_USER, SHARED.default("60/60"),
        "Changes of one's own data, `count/seconds`, for one user.";
    LIMIT_OPERATOR_UPDATE_USER, SHARED.default("600/60"),
        "Changes of users, `count/seconds`, for one user with `users:write`.";
    LIMIT_DELETE_USER, SHARED.default("60/60"),
        "Deletions of one's own account, `count/seconds`, for one user.";
    LIMIT_OPERATOR_DELETE_USER, SHARED.default("600/60"),
        "Deletions of users, `count/seconds`, for one user with `users:delete`.";
    LIMIT_SUSPEND_USER, SHARED.default("600/60"),
        "Suspensions, `count/seconds`, for one user.";
    LIMIT_REACTIVATE_USER, SHARED.default("600/60"),
        "Reactivations, `count/seconds`, for one user.";
    LIMIT_UNLOCK_USER, SHARED.default("600/60"),
        "Unlocks of accounts, `count/seconds`, for one user.";
}
