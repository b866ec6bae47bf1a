//! `POST /internal/v1/credentials/{id}/unlock`

use ud_http::{Call, Problem};
use ud_kernel::{models::CredentialUnlocked, operation::UnlockCredential};
use ud_service::callers;

use crate::{flows::unlock, models::unlock::store::CODE_LIFE, state::AuthState};

/// Makes an unlock code.
///
/// # Errors
/// 404 `auth.credential-not-found`; 503 if the database does not answer.
pub async fn unlock_credential(
    state: AuthState,
    call: Call<UnlockCredential, callers::Profile>,
) -> Result<CredentialUnlocked, Problem> {
    let code = unlock::unlock(&state, call.key, call.body.0.origin).await?;
    Ok(CredentialUnlocked {
        unlock_code: code.as_str().to_owned(),
        expires_in: CODE_LIFE.as_secs(),
    })
}
