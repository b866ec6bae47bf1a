//! The operations of this service that have a limit, as types for the arguments of handlers (SECURITY rule 26).

ud_service::limited_operations! {
    of Auth;
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
}
