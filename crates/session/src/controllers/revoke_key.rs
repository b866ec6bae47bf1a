//! `POST /internal/v1/revoked-keys`

use ud_http::{Call, Problem};
use ud_kernel::operation::RevokeKey;
use ud_service::callers;

use crate::{state::SessionState, views::internal::RevokedKeyBody};

/// Takes notice of a revoked signing key: 204.
///
/// # Errors
/// 503 if the store fails.
pub async fn revoke_key(
    state: SessionState,
    call: Call<RevokeKey, callers::Auth, RevokedKeyBody>,
) -> Result<(), Problem> {
    Ok(state
        .store
        .revoke_key(call.body.0, state.clock.now())
        .await?)
}
