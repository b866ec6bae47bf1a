use actix_web::HttpResponse;

use crate::{models::logout_flow::SessionsClosed, state::AuthState};

/// 204; with `Revocation: pending` when the session service has not confirmed that sessions are closed.
pub(super) fn no_content(
    state: &AuthState,
    operation: &str,
    SessionsClosed(confirmed): SessionsClosed,
) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    if !confirmed {
        state
            .revocations_pending
            .with_label_values(&[operation])
            .inc();
        answer.insert_header(("Revocation", "pending"));
    }
    answer.finish()
}
