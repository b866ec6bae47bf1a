//! One file per use case: HTTP in, model call, view out.

pub mod delete_user;
pub mod list_users;
pub mod reactivate_user;
pub mod read_me;
pub mod read_user;
pub mod receive_events;
pub mod register_user;
pub mod search_users;
pub mod suspend_user;
pub mod unlock_user;
pub mod update_user;

use actix_web::{HttpResponse, HttpResponseBuilder};
use ud_http::{Authed, Problem, etag};
use ud_kernel::{EventType, UserId, models::Provenance};
use ud_service::SecurityEvent;

use crate::{
    models::{ProfileError, StatusChange, user::User},
    state::ProfileState,
    views::UserResponse,
};

/// Finishes `answer` with the user and their version.
fn with_user(mut answer: HttpResponseBuilder, user: User) -> HttpResponse {
    answer
        .insert_header(etag(user.version))
        .json(UserResponse::from(user))
}

/// Tells the audit log that somebody looked at others by permission (SECURITY rule 33).
fn note_read(
    state: &ProfileState,
    origin: &Provenance,
    target_type: &'static str,
    target_id: String,
) {
    state.security_log.note(SecurityEvent {
        kind: EventType::ADMIN_READ,
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
        state.security_log.note(SecurityEvent {
            kind: EventType::PERMISSION_DENIED,
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
        ud_kernel::Code::AUTH_PERMISSION_DENIED
    } else {
        ud_kernel::Code::USER_NOT_FOUND
    }
}

/// The caller's own user. A valid token proves that auth has the credential: a registration that was cut off
/// behind that point is completed here.
async fn own_user<A>(state: &ProfileState, authed: &Authed<A>) -> Result<User, ProfileError> {
    let id = authed.user_id();
    match state.accounts.find(id).await {
        Err(ProfileError::NotFound) => state
            .registration
            .complete(id, None, &authed.origin())
            .await?
            .filter(|user| user.status.is_visible())
            .ok_or(ProfileError::NotFound),
        found => found,
    }
}

/// Carries out a change of status, with the response that both changes have.
async fn change_status<A>(
    state: &ProfileState,
    authed: &Authed<A>,
    id: UserId,
    change: StatusChange,
    operation: &str,
) -> Result<HttpResponse, Problem> {
    let (user, revocation) = state
        .accounts
        .change_status(authed.user_id(), &authed.origin(), id, change)
        .await
        .map_err(|error| refused(state, authed, id, error))?;
    let mut response = HttpResponse::Ok();
    state.revocations.tell(operation, revocation, &mut response);
    Ok(with_user(response, user))
}
