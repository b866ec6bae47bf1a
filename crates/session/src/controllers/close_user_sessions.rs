//! `POST /internal/v1/sessions/close`

use actix_web::web;
use ud_http::{FromService, Json, Problem};
use ud_kernel::models::SessionsClosed;
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
    _: FromService<callers::Auth>,
    state: web::Data<SessionState>,
    body: Json<CloseSessionsBody>,
) -> Result<web::Json<SessionsClosed>, Problem> {
    let body = body.0.0;
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
    Ok(web::Json(SessionsClosed { closed }))
}
