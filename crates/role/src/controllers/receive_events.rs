//! `POST /internal/v1/events`

use ud_events::{Batch, Receipt};
use ud_http::Problem;

use crate::{
    models::{RoleError, assignment_flow::remove_user},
    state::RoleState,
};

/// Takes a batch of events: a deleted user loses every role.
///
/// # Errors
/// 503 if the store fails; the sender repeats the batch.
pub async fn receive_events(state: RoleState, batch: Batch) -> Result<Receipt, Problem> {
    let clock = state.reads.clock.clone();
    let receive = state
        .events
        .receive(batch, move |conn, event| remove_user(conn, event, &clock));
    Ok(receive.await.map_err(RoleError::from)?)
}
