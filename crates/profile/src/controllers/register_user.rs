//! `POST /api/v1/users`

use crate::limits;
use actix_web::{HttpResponse, http::header, web};
use ud_http::{IdempotencyKey, Json, Limited, Problem, Refused, RequestProvenance, TooMany, etag};

use crate::{
    models::{Registration, RequestKey},
    state::ProfileState,
    views::{RegisterUserRequest, UserResponse},
};

/// Register a user.
///
/// Open to everybody. With an `Idempotency-Key` the same request can be repeated for 24 hours and gives the same
/// user.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "users",
    request_body = RegisterUserRequest,
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "16 to 64 visible ASCII characters; hard to guess, for instance a random UUID",
        min_length = 16, max_length = 64
    )),
    responses(
        (status = 201, description = "Registered", body = UserResponse, headers(
            ("Location" = String, description = "Path of the user"),
            ("ETag" = String, description = "The user's version")
        )),
        Refused<400>, Refused<408>, Refused<409>, Refused<413>, Refused<415>, Refused<422>, TooMany<limits::Registration>,
        Refused<503>,
    )
)]
pub async fn register_user(
    state: web::Data<ProfileState>,
    RequestProvenance(origin): RequestProvenance,
    IdempotencyKey(key): IdempotencyKey,
    body: Limited<limits::Registration, Json<RegisterUserRequest>>,
) -> Result<HttpResponse, Problem> {
    let Json(body) = body.inner;
    let (user, password) = body.into_parts().map_err(Problem::validation)?;
    let registration = Registration {
        user,
        password,
        key: key.map(RequestKey::Client),
        origin,
    };
    let flow = state.registration.clone();
    let context = ud_telemetry::current();
    // A task of its own: a client that gives up and asks again with the same key shall find it done.
    let task = tokio::spawn(ud_telemetry::scope(context, async move {
        flow.register(registration).await
    }));
    let user = task.await.map_err(Problem::internal)??;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/users/{}", user.id)))
        .insert_header(etag(user.version))
        .json(UserResponse::from(user)))
}
