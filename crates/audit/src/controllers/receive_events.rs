//! `POST /internal/v1/events`

use ud_events::{Batch, Receipt};
use ud_http::Problem;

use crate::state::AuditState;

/// Records what the other services report.
///
/// # Errors
/// 503 if the store fails; the sender repeats the batch.
pub async fn receive_events(state: AuditState, batch: Batch) -> Result<Receipt, Problem> {
    Ok(state.flow.receive(batch).await?)
}
