//! One file per use case. HTTP in, model call, view out.

pub mod close_session;
pub mod close_sessions;
pub mod close_user_sessions;
pub mod create_session;
pub mod follow_locally;
pub mod follow_revocations;
pub mod list_sessions;
pub mod read_session;
pub mod read_state;
pub mod receive_events;
pub mod revoke_key;
pub mod rotate_session;
pub mod set_not_before;

use ud_http::{Authed, Problem};
use ud_kernel::{UserId, models::Provenance};

use crate::{
    models::{error::SessionError, session_flow::Asker},
    state::SessionState,
};

/// The session behind the request.
fn asker<A>(authed: &Authed<A>) -> Asker {
    Asker {
        user_id: authed.user_id(),
        session_id: authed.caller.session_id(),
    }
}

/// The problem of an attempt on the sessions of `target`, noted if it was a question of permissions.
fn refused(
    state: &SessionState,
    origin: Provenance,
    target: UserId,
    error: SessionError,
) -> Problem {
    if matches!(
        error,
        SessionError::TargetHoldsMore | SessionError::NotPermitted
    ) {
        state.note(ud_kernel::EventType::PERMISSION_DENIED, origin, target);
    }
    error.into()
}
