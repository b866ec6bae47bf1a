//! The routes that the other services call. Who may is in each handler's first argument.

use actix_web::{HttpResponse, web};
use ud_events::{Batch, Receipt};
use ud_http::{FromService, Json, Problem, RequestOrigin, callers};
use ud_kernel::{
    SessionId,
    models::{SessionGrant, SessionStateQuery, SessionStateResponse, SessionsClosed},
};

use crate::{
    models::{
        received_event,
        session_store::{CloseOrder, Closing},
    },
    state::SessionState,
    views::internal::{
        CloseSessionsBody, CreateSessionBody, MarkBody, RevokedKeyBody, StepSessionBody,
    },
};

/// `PUT /internal/v1/sessions/{session_id}`: 201, and 200 for the same request again.
///
/// # Errors
/// 409 `session.epoch-too-old`, `session.policy-stale`; 401 `session.closed` for an id that was used before.
pub async fn create_session(
    _: FromService<callers::Auth>,
    state: web::Data<SessionState>,
    id: web::Path<SessionId>,
    body: Json<CreateSessionBody>,
) -> Result<HttpResponse, Problem> {
    let created = state.store.create(id.into_inner(), body.0.0).await;
    let created = state.count("create", created)?;
    let mut answer = if created.is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(created.grant))
}

/// `POST /internal/v1/sessions/step`: the commit point of a refresh.
///
/// # Errors
/// 401 `session.closed`; 409 `session.epoch-too-old`, `session.policy-stale`.
pub async fn step_session(
    _: FromService<callers::Auth>,
    state: web::Data<SessionState>,
    body: Json<StepSessionBody>,
) -> Result<web::Json<SessionGrant>, Problem> {
    let grant = state.store.step(body.0.0).await;
    Ok(web::Json(state.count("step", grant)?))
}

/// `POST /internal/v1/sessions/close`: one session, or those below an epoch.
///
/// # Errors
/// 503 if the store fails.
pub async fn close_sessions(
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

/// `POST /internal/v1/marks`: 204.
///
/// # Errors
/// 503 if the store fails.
pub async fn set_mark(
    _: FromService<callers::Role>,
    state: web::Data<SessionState>,
    body: Json<MarkBody>,
) -> Result<HttpResponse, Problem> {
    state.store.mark(body.0.0, state.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /internal/v1/revoked-keys`: 204.
///
/// # Errors
/// 503 if the store fails.
pub async fn revoke_key(
    _: FromService<callers::Auth>,
    state: web::Data<SessionState>,
    body: Json<RevokedKeyBody>,
) -> Result<HttpResponse, Problem> {
    state.store.revoke_key(body.0.0, state.clock.now()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /internal/v1/sessions/{id}/state`. What the caller claims to have seen of the feed is believed with session's own
/// tag on it only.
///
/// # Errors
/// 503 if the store fails; 503 `auth.revocation-unavailable` if it has gone back again.
pub async fn read_state(
    caller: FromService<callers::Any>,
    origin: RequestOrigin,
    state: web::Data<SessionState>,
    id: web::Path<SessionId>,
    query: web::Query<SessionStateQuery>,
) -> Result<web::Json<SessionStateResponse>, Problem> {
    let query = query.into_inner();
    if let Some(claim) = query.known()
        && let Some(seen) = state.believe(claim, caller.service, origin.0)
    {
        state.store.learn(seen).await?;
    }
    let now = state.clock.now();
    let (id, query) = (id.into_inner(), query.without_claim());
    let state = state.store.state(id, query, now).await?;
    Ok(web::Json(SessionStateResponse { state }))
}

/// Applies what `POST /internal/v1/events` brought.
///
/// # Errors
/// 503 if the store fails.
pub async fn receive_events(state: SessionState, batch: Batch) -> Result<Receipt, Problem> {
    Ok(received_event::receive(state.store.as_ref(), batch, state.clock.now()).await?)
}
