//! `PUT /internal/v1/credentials/{id}/status`

use ud_http::{Call, Problem};
use ud_kernel::{models::CredentialStatusChanged, operation::SetCredentialStatus};
use ud_service::callers;

use crate::{flows::credentials, state::AuthState};

/// Follows a change of the user's status.
///
/// # Errors
/// 404 `auth.credential-not-found`; 503 if the database does not answer.
pub async fn set_credential_status(
    state: AuthState,
    call: Call<SetCredentialStatus, callers::Profile>,
) -> Result<CredentialStatusChanged, Problem> {
    let changed = credentials::set_status(&state, call.key, call.body.0).await?;
    if !changed.sessions_closed {
        state.revocations.count("credential_status");
    }
    Ok(changed)
}
