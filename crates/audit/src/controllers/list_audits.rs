//! `GET /api/v1/audits`

use actix_web::{HttpResponse, web};
use ud_http::{Authed, PageRequest, Problem, Refused, permissions::AuditsRead};
use ud_kernel::{Code, FieldError, check_line};
use ud_service::{OwnOr, RowScope};

use super::note_read;
use crate::{
    models::{
        record::{MAX_ACTION, MAX_TARGET_ID, is_storable},
        record_store::RecordFilter,
    },
    state::AuditState,
    views::audit::{AuditListResponse, AuditResponse, ListAuditsQuery},
};

/// Most records on a page.
const MAX_LIMIT: u32 = 200;

/// Records, newest first: with `audits:read` everybody's, otherwise what the caller did, whatever the filters
/// say.
#[utoipa::path(
    get,
    path = "/api/v1/audits",
    operation_id = "list_audits",
    tag = "audits",
    params(ListAuditsQuery),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "One page", body = AuditListResponse),
        Refused<400>, Refused<401>, Refused<503>,
    )
)]
pub async fn list_audits(
    state: web::Data<AuditState>,
    authed: Authed<OwnOr<AuditsRead>>,
    query: web::Query<ListAuditsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let page = PageRequest::up_to(MAX_LIMIT, query.limit, query.cursor.as_deref())?;
    let mut filter = read_query(query, page.after)?;
    if let RowScope::Own(own) = authed.scope() {
        filter.actor_id = Some(own);
    }
    let of_others = filter.actor_id != Some(authed.user_id());
    let records = state.flow.list(filter, page.to_read()).await?;
    if of_others {
        note_read(
            &state,
            &authed,
            "operation",
            "GET /api/v1/audits".to_owned(),
        );
    }
    let page = page.page(records, |record| record.seq);
    Ok(HttpResponse::Ok().json(AuditListResponse {
        items: page.items.into_iter().map(AuditResponse::from).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// Refuses what a database would choke on, and what could only ever find nothing.
fn read_query(query: ListAuditsQuery, before: Option<i64>) -> Result<RecordFilter, Problem> {
    let texts = [
        ("target_id", &query.target_id, MAX_TARGET_ID),
        ("action", &query.action, MAX_ACTION),
    ];
    for (name, text, max) in texts {
        if let Some(text) = text {
            check_line(name, text, max).map_err(|e| invalid(name, &e.detail))?;
        }
    }
    for (name, at) in [("from", query.from), ("to", query.to)] {
        if at.is_some_and(|at| !is_storable(at)) {
            return Err(invalid(name, "must be in the years 1000 to 9999"));
        }
    }
    Ok(RecordFilter {
        actor_id: query.actor_id,
        target_id: query.target_id,
        action: query.action,
        from: query.from,
        to: query.to,
        before,
    })
}

fn invalid(name: &str, detail: &str) -> Problem {
    Problem::new(Code::REQUEST_INVALID_PARAMETER).field(FieldError::new(
        name,
        "parameter.invalid",
        detail,
    ))
}
