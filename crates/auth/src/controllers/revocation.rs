use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::{models::logout_flow::SessionsClosed, state::AuthState};

/// 204; with `Revocation: pending` when the session service has not confirmed that sessions are closed.
pub(super) fn no_content(
    state: &AuthState,
    operation: &str,
    closed: SessionsClosed,
) -> HttpResponse {
    with_revocation(state, operation, HttpResponse::NoContent(), closed).finish()
}

/// Adds `Revocation: pending` when the session service has not confirmed that sessions are closed, and counts it.
pub(super) fn with_revocation(
    state: &AuthState,
    operation: &str,
    mut answer: HttpResponseBuilder,
    SessionsClosed(confirmed): SessionsClosed,
) -> HttpResponseBuilder {
    if !confirmed {
        state
            .revocations_pending
            .with_label_values(&[operation])
            .inc();
        answer.insert_header(("Revocation", "pending"));
    }
    answer
}
