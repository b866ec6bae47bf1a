//! `POST /internal/v1/events`

use ud_events::{Batch, Receipt};
use ud_http::Problem;

use crate::{flows::credentials, models::error::AuthError, state::AuthState};

/// Applies what profile tells of its users.
///
/// # Errors
/// 503 if the database does not answer; the batch is sent again.
pub async fn receive_events(state: AuthState, batch: Batch) -> Result<Receipt, Problem> {
    let now = state.clock.now();
    let receipt = state
        .events
        .receive(batch, move |conn, event| {
            credentials::apply_event(conn, event, now)
        })
        .await
        .map_err(AuthError::from)?;
    // An epoch may have been raised, which the session service is to hear at once.
    Ok(receipt)
}
