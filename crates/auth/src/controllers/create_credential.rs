//! `PUT /internal/v1/credentials/{id}`

use ud_http::{Call, Problem};
use ud_kernel::{
    models::Credential,
    operation::{CreateCredential, Created},
};
use ud_service::callers;

use crate::{flows::credentials, state::AuthState};

/// Stores the credential of a new user: 201, or 200 if the user has one already. What the body must fulfil is the model's to
/// say, which knows all reasons at once.
///
/// # Errors
/// 409 for a taken identifier, 422 for what the policy refuses, 503 if the database does not answer.
pub async fn create_credential(
    state: AuthState,
    call: Call<CreateCredential, callers::Profile>,
) -> Result<Created<Credential>, Problem> {
    let created = credentials::create_credential(&state, call.key, call.body.0).await?;
    Ok(Created {
        is_new: created.is_new,
        value: created.credential,
    })
}
