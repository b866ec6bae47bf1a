//! The operations of this service that have a limit, as types for the arguments of handlers (SECURITY rule 26).

ud_service::limited_operations! {
    of Role;
    CreateRole = "create_role", Users, LIMIT_CREATE_ROLE;
    UpdateRole = "update_role", Users, LIMIT_UPDATE_ROLE;
    DeleteRole = "delete_role", Users, LIMIT_DELETE_ROLE;
    CreateAssignment = "create_assignment", Users, LIMIT_CREATE_ASSIGNMENT;
    DeleteAssignment = "delete_assignment", Users, LIMIT_DELETE_ASSIGNMENT;
}
