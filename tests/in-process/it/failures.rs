//! A failure has one meaning whichever service it happens in.

use auth_service::models::error::AuthError;
use role_service::models::RoleError;
use session_service::models::error::SessionError;
use ud_db::StoreError;
use ud_http::Problem;
use ud_kernel::{Code, Service};
use user_audit_service::models::error::AuditError;
use user_profile_service::models::ProfileError;

fn problem(service: Service, error: StoreError) -> Problem {
    match service {
        Service::Auth => AuthError::from(error).into(),
        Service::Role => RoleError::from(error).into(),
        Service::Session => SessionError::from(error).into(),
        Service::Audit => AuditError::from(error).into(),
        Service::Profile => ProfileError::from(error).into(),
    }
}

#[test]
fn a_store_that_fails_has_one_code_in_every_service() {
    let text = || "text".to_owned();
    let failures = [
        (StoreError::Conflict, Code::SERVER_BUSY),
        (
            StoreError::Unavailable(text()),
            Code::SERVER_STORE_UNAVAILABLE,
        ),
        (
            StoreError::Timeout("statement"),
            Code::SERVER_STORE_UNAVAILABLE,
        ),
        (StoreError::NotFound, Code::SERVER_INTERNAL),
        (StoreError::Unique(text()), Code::SERVER_INTERNAL),
        (StoreError::ForeignKey, Code::SERVER_INTERNAL),
        (StoreError::Internal(text()), Code::SERVER_INTERNAL),
    ];
    for service in Service::ALL {
        for (error, code) in &failures {
            let problem = problem(service, error.clone());
            assert_eq!(problem.code(), *code, "{service}: {error}");
            let is_temporary = problem.code().status() == 503;
            assert_eq!(is_temporary, error.is_temporary(), "{service}: {error}");
        }
    }
}
