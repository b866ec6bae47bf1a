//! `PUT /internal/v1/sessions/{id}`

use ud_http::{Call, Problem};
use ud_kernel::{
    models::SessionGrant,
    operation::{CreateSession, Created},
};
use ud_service::callers;

use crate::{state::SessionState, views::internal::CreateSessionBody};

/// Creates a session: 201, and 200 for the same request again.
///
/// # Errors
/// 409 `session.epoch-too-old`, `session.policy-stale`; 401 `session.closed` for an id that was used before.
pub async fn create_session(
    state: SessionState,
    call: Call<CreateSession, callers::Auth, CreateSessionBody>,
) -> Result<Created<SessionGrant>, Problem> {
    let created = state.store.create(call.key, call.body.0).await;
    let created = state.count("create", created)?;
    Ok(Created {
        is_new: created.is_new,
        value: created.grant,
    })
}
