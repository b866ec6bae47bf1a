//! The operations of this service that have a limit, as types for the arguments of handlers (SECURITY rule 26).

ud_service::limited_operations! {
    of Session;
    CloseSession = "close_session", Users, LIMIT_CLOSE_SESSION, operators(LIMIT_OPERATOR_CLOSE_SESSION);
    CloseSessions = "close_sessions", Users, LIMIT_CLOSE_SESSIONS, operators(LIMIT_OPERATOR_CLOSE_SESSIONS);
}
