//! The operations of this service that have a limit, as types for the arguments of handlers (SECURITY rule 26).

ud_service::limited_operations! {
    of Profile;
    Registration = "registration", Sources, LIMIT_REGISTRATION, shared();
    UpdateUser = "update_user", Users, LIMIT_UPDATE_USER, operators(LIMIT_OPERATOR_UPDATE_USER);
    DeleteUser = "delete_user", Users, LIMIT_DELETE_USER, operators(LIMIT_OPERATOR_DELETE_USER);
    SuspendUser = "suspend_user", Users, LIMIT_SUSPEND_USER;
    ReactivateUser = "reactivate_user", Users, LIMIT_REACTIVATE_USER;
    UnlockUser = "unlock_user", Users, LIMIT_UNLOCK_USER;
}
