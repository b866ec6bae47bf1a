//! The OpenAPI document of this service: public operations only.

use ud_http::{Bearer, ProblemBody};
use utoipa::{OpenApi, openapi::OpenApi as Document};

use crate::{
    controllers,
    views::session::{CloseScope, SessionListResponse, SessionResponse},
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Sessions", description = "Which logins of a user live, and ending them."),
    paths(
        controllers::list_sessions::list_sessions,
        controllers::close_sessions::close_sessions,
        controllers::read_session::read_session,
        controllers::close_session::close_session,
    ),
    components(schemas(SessionResponse, SessionListResponse, CloseScope, ProblemBody)),
    modifiers(&Bearer)
)]
struct SessionApi;

/// Returns the public operations of this service.
#[must_use]
pub fn document() -> Document {
    SessionApi::openapi()
}
