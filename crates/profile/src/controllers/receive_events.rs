//! `POST /internal/v1/events`

use ud_events::{Batch, EventType, Receipt};
use ud_http::Problem;
use ud_kernel::UserId;

use crate::{
    models::{ProfileError, activate},
    state::ProfileState,
};

/// Applies what auth reports. Of the events that come here only `credentials_created` means something: auth has stored
/// what the registration needs.
///
/// # Errors
/// 503 if the store fails; the sender repeats the batch.
pub async fn receive_events(state: ProfileState, batch: Batch) -> Result<Receipt, Problem> {
    let clock = state.clock;
    let receive = state.events.receive(batch, move |conn, event| {
        if event.kind == EventType::CREDENTIALS_CREATED {
            let id = UserId::from_uuid(event.subject);
            activate(conn, id, None, &event.origin(), clock.now())?;
        }
        Ok(())
    });
    Ok(receive.await.map_err(ProfileError::from)?)
}
