//! `POST /internal/v1/sessions/close`

use ud_http::{Call, Problem};
use ud_kernel::{models::SessionsClosed, operation::CloseSessions};
use ud_service::callers;

use crate::{
    models::session_store::{CloseOrder, Closing},
    state::SessionState,
    views::internal::CloseSessionsBody,
};

/// Closes one session of a user, or those below an epoch.
///
/// # Errors
/// 503 if the store fails.
pub async fn close_user_sessions(
    state: SessionState,
    call: Call<CloseSessions, callers::Auth, CloseSessionsBody>,
) -> Result<SessionsClosed, Problem> {
    let body = call.body.0;
    let closing = match (body.session_id, body.min_epoch) {
        (Some(id), _) => Closing::One(id),
        (None, min_epoch) => Closing::Below {
            min_epoch: min_epoch.unwrap_or_default(),
            except: body.except_session_id,
        },
    };
    let now = state.clock.now();
    let order = CloseOrder {
        user_id: body.user_id,
        closing,
        origin: body.origin,
        now,
    };
    let closed = state.store.close(order).await;
    let closed = state.count("close", closed)?;
    Ok(SessionsClosed { closed })
}
