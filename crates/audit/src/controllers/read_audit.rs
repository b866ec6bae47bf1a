//! `GET /api/v1/audits/{id}`

use actix_web::{HttpResponse, web};
use ud_http::{
    Authed, Problem, Refused,
    permissions::{AuditsRead, Permission as _},
};
use ud_kernel::{Code, RecordId};
use ud_service::OwnOr;

use super::note_read;
use crate::{state::AuditState, views::audit::AuditResponse};

/// One record: with `audits:read` any, otherwise the caller's own deeds only.
#[utoipa::path(
    get,
    path = "/api/v1/audits/{id}",
    operation_id = "read_audit",
    tag = "audits",
    params(("id" = RecordId, Path, description = "The record")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The record", body = AuditResponse),
        Refused<400>, Refused<401>, Refused<404>, Refused<503>,
    )
)]
pub async fn read_audit(
    state: web::Data<AuditState>,
    authed: Authed<OwnOr<AuditsRead>>,
    id: web::Path<RecordId>,
) -> Result<HttpResponse, Problem> {
    let record = state.flow.read(*id).await?;
    match record.actor_id {
        Some(actor) => authed.permit(actor, Code::AUDIT_RECORD_NOT_FOUND)?,
        // Nobody's own: for readers of everything only.
        None => authed
            .require(AuditsRead::NAME)
            .map_err(|_| Problem::new(Code::AUDIT_RECORD_NOT_FOUND))?,
    }
    if record.actor_id != Some(authed.user_id()) {
        note_read(&state, &authed, "audit_record", id.to_string());
    }
    Ok(HttpResponse::Ok().json(AuditResponse::from(record)))
}
