//! The controllers: HTTP in, one call of a flow, a view out.

mod revocation;

pub mod change_password;
pub mod create_credential;
pub mod introspect_token;
pub mod list_keys;
pub mod log_in;
pub mod log_out;
pub mod optional_body;
pub mod read_credential;
pub mod read_jwks;
pub mod reauthenticate;
pub mod receive_events;
pub mod refresh_tokens;
pub mod revoke_key;
pub mod revoke_token;
pub mod rotate_keys;
pub mod set_credential_status;
pub mod unlock_credential;
pub mod validate_token;

use ud_http::{Problem, SecurityNotice};
use ud_kernel::{Code, models::Origin};
use ud_limit::Limiter;

use crate::state::AuthState;

/// Counts a call of `operation` under `key`.
///
/// # Errors
/// 429 over the limit, which the audit log is told.
async fn within(
    state: &AuthState,
    limiter: &Limiter,
    key: &str,
    operation: &str,
    origin: &Origin,
) -> Result<(), Problem> {
    limiter.check(key).await.map_err(|seconds| {
        state.security_log.note(SecurityNotice {
            event: "rate_limited",
            origin: origin.clone(),
            target_type: "operation",
            target_id: operation.to_owned(),
        });
        Problem::new(Code::RequestRateLimited).retry_after(seconds)
    })
}
