//! One file per use case: HTTP in, model call, view out.

pub mod create_audit;
pub mod list_audits;
pub mod read_audit;
pub mod receive_events;

use ud_events::EventType;
use ud_http::Authed;
use ud_service::SecurityEvent;

use crate::state::AuditState;

/// Tells the log that somebody read what others did, by permission (SECURITY rule 33).
fn note_read<A>(
    state: &AuditState,
    authed: &Authed<A>,
    target_type: &'static str,
    target_id: String,
) {
    state.security_log.note(SecurityEvent {
        kind: EventType::ADMIN_READ,
        origin: authed.origin(),
        target_type,
        target_id,
    });
}
