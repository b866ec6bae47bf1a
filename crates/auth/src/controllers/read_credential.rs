//! `GET /internal/v1/credentials/{id}`

use ud_http::{Call, Problem};
use ud_kernel::{models::Credential, operation::ReadCredential};
use ud_service::callers;

use crate::{flows::credentials, state::AuthState};

/// Reads a credential; 404 if there is none or it is deleted.
///
/// # Errors
/// 404 `auth.credential-not-found`; 503 if the database does not answer.
pub async fn read_credential(
    state: AuthState,
    call: Call<ReadCredential, (callers::Profile, callers::Role)>,
) -> Result<Credential, Problem> {
    Ok(credentials::read_credential(&state, call.key).await?)
}
