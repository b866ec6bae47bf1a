//! One file per use case: HTTP in, model call, view out.

pub mod delete_user;
pub mod list_users;
pub mod read_user;
pub mod receive_events;
pub mod register_user;
pub mod search_users;
pub mod suspend_user;
pub mod unlock_user;
pub mod update_user;

use actix_web::{HttpResponse, HttpResponseBuilder, http::header::HeaderName};
use ud_http::{Authed, Problem, SecurityNotice, etag};
use ud_kernel::{UserId, models::Origin};

use crate::{
    models::{ProfileError, Revocation, user::User},
    state::ProfileState,
    views::UserResponse,
};

/// Says that sessions may live a little longer than the answer suggests (docs/ARCHITECTURE.md).
const REVOCATION: HeaderName = HeaderName::from_static("revocation");

/// Finishes `answer` with the user and their version.
fn with_user(mut answer: HttpResponseBuilder, user: User) -> HttpResponse {
    answer
        .insert_header(etag(user.version))
        .json(UserResponse::from(user))
}

/// Adds `Revocation: pending` where sessions are not known to be closed, and counts it.
fn with_revocation(
    state: &ProfileState,
    operation: &str,
    mut answer: HttpResponseBuilder,
    revocation: Revocation,
) -> HttpResponseBuilder {
    if revocation == Revocation::Pending {
        state
            .revocations_pending
            .with_label_values(&[operation])
            .inc();
        answer.insert_header((REVOCATION, "pending"));
    }
    answer
}

/// Tells the audit log that somebody looked at others by permission (SECURITY rule 33).
fn note_read(state: &ProfileState, origin: &Origin, target_type: &'static str, target_id: String) {
    state.security_log.note(SecurityNotice {
        event: "admin_read",
        origin: origin.clone(),
        target_type,
        target_id,
    });
}

/// The problem of an attempt on the user `target`, noted if it was a question of permissions (SECURITY rule 33).
fn refused<A>(
    state: &ProfileState,
    authed: &Authed<A>,
    target: UserId,
    error: ProfileError,
) -> Problem {
    if matches!(
        error,
        ProfileError::TargetHoldsMore | ProfileError::PermissionDenied
    ) {
        state.security_log.note(SecurityNotice {
            event: "permission_denied",
            origin: authed.origin(),
            target_type: "user",
            target_id: target.to_string(),
        });
    }
    error.into()
}

/// The refusal to touch another's account: 403 to those who may see it, 404 to those who may not even know of
/// it.
fn refusal<A>(authed: &Authed<A>) -> ud_kernel::Code {
    if authed.caller.may("users:read") {
        ud_kernel::Code::AuthPermissionDenied
    } else {
        ud_kernel::Code::UserNotFound
    }
}
