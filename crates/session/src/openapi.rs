//! The OpenAPI document: public operations only.

use ud_http::{Bearer, ProblemBody};
use utoipa::OpenApi;

use crate::{
    controllers::{close_session, close_sessions, list_sessions, read_session},
    views::session::{CloseScope, SessionListResponse, SessionResponse},
};

/// The document's parts.
#[derive(OpenApi)]
#[openapi(
    info(title = "Sessions", description = "Which logins of a user live, and ending them."),
    paths(
        list_sessions::list_sessions,
        close_sessions::close_sessions,
        read_session::read_session,
        close_session::close_session,
    ),
    components(schemas(SessionResponse, SessionListResponse, CloseScope, ProblemBody)),
    modifiers(&Bearer)
)]
pub struct SessionApi;
