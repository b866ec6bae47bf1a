//! The controllers: one use case per file, HTTP in, model, view out.

pub mod check_permission;
pub mod create_administrator;
pub mod create_assignment;
pub mod create_role;
pub mod delete_assignment;
pub mod delete_role;
pub mod list_assignments;
pub mod list_roles;
pub mod read_access;
pub mod read_assignment;
pub mod read_role;
pub mod receive_events;
pub mod set_standing;
pub mod update_role;

use ud_http::{Authed, Problem};
use ud_kernel::EventType;
use ud_service::SecurityEvent;

use crate::{models::RoleError, state::RoleState};

/// The answer to `error`. What the caller was not allowed to do goes into the audit log.
fn refused<A>(
    state: &RoleState,
    authed: &Authed<A>,
    operation: &'static str,
    error: RoleError,
) -> Problem {
    if matches!(
        error,
        RoleError::Escalation
            | RoleError::PermissionDenied
            | RoleError::TargetHoldsMore
            | RoleError::AssignmentOutlivesGrantor
            | RoleError::PermissionsOutliveGrantor
    ) {
        note(
            state,
            authed,
            EventType::PERMISSION_DENIED,
            "operation",
            operation.to_owned(),
        );
    }
    error.into()
}

/// Tells the audit log that the caller looked at what is another's (SECURITY rule 33).
fn note_read<A>(
    state: &RoleState,
    authed: &Authed<A>,
    target_type: &'static str,
    target_id: String,
) {
    note(state, authed, EventType::ADMIN_READ, target_type, target_id);
}

fn note<A>(
    state: &RoleState,
    authed: &Authed<A>,
    event: EventType,
    target_type: &'static str,
    target_id: String,
) {
    state.security_log.note(SecurityEvent {
        kind: event,
        origin: authed.origin(),
        target_type,
        target_id,
    });
}
