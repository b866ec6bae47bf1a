//! The operations of this service that have a limit, as types for the arguments of handlers (SECURITY rule 26).

ud_service::limited_operations! {
    of Audit;
    CreateAudit = "create_audit", Users, LIMIT_CREATE_AUDIT;
}
