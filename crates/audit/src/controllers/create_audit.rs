//! `POST /api/v1/audits`

use crate::limits;
use actix_web::{HttpResponse, http::header, web};
use ud_http::{
    Authed, IdempotencyKey, Json, Limited, Problem, Refused, TooMany, permissions::AuditsWrite,
};

use crate::{
    state::AuditState,
    views::audit::{AuditResponse, CreateAuditRequest},
};

/// Records something the platform itself does not know of. Needs `audits:write`; `reported_by` is the caller.
#[utoipa::path(
    post,
    path = "/api/v1/audits",
    operation_id = "create_audit",
    tag = "audits",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 16, max_length = 64,
        pattern = "^[!-~]{16,64}$", description = "The same key and body again within 24 hours give the same record")),
    request_body = CreateAuditRequest,
    security(("bearer" = ["audits:write"])),
    responses(
        (status = 201, description = "Recorded", body = AuditResponse,
            headers(("Location" = String, description = "Where the record is"))),
        Refused<400>, Refused<401>, Refused<403>, Refused<408>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::CreateAudit>, Refused<503>,
    )
)]
pub async fn create_audit(
    state: web::Data<AuditState>,
    authed: Authed<Limited<limits::CreateAudit, AuditsWrite>>,
    key: IdempotencyKey,
    body: Json<CreateAuditRequest>,
) -> Result<HttpResponse, Problem> {
    let record = state
        .flow
        .create(
            body.0.to_client(),
            authed.user_id(),
            &authed.origin(),
            key.0,
        )
        .await?;
    let location = format!("/api/v1/audits/{}", record.id);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .json(AuditResponse::from(record)))
}
