//! `POST /internal/v1/events`

use ud_events::{Batch, Receipt};
use ud_http::Problem;

use crate::{models::received_event, state::SessionState};

/// Applies what the other services report.
///
/// # Errors
/// 503 if the store fails.
pub async fn receive_events(state: SessionState, batch: Batch) -> Result<Receipt, Problem> {
    Ok(received_event::receive(state.store.as_ref(), batch, state.clock.now()).await?)
}
