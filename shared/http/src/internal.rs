//! Internal routes: only for service tokens (SECURITY rule 24). Who may call stands in the handler's type:
//! `FromService<callers::Profile>`.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev, web};
use ud_jwt::service::ServiceVerifier;
use ud_kernel::{Code, Service, UserId};

use crate::{
    Problem, SecurityLog, SecurityNotice,
    authed::{bearer, operation_of},
    origin::origin_of,
};

/// Verifies the service tokens sent to one service.
#[derive(Clone)]
pub struct InternalGate {
    verifier: Arc<ServiceVerifier>,
    log: Option<SecurityLog>,
}

impl InternalGate {
    /// Accepts what `verifier` accepts; tells refusals to `log`.
    #[must_use]
    pub const fn new(verifier: Arc<ServiceVerifier>, log: Option<SecurityLog>) -> Self {
        Self { verifier, log }
    }
}

/// A set of services.
pub trait Callers: 'static {
    /// Its members.
    const ALLOWED: &'static [Service];
}

/// The sets that internal routes use.
pub mod callers {
    use ud_kernel::Service;

    use super::Callers;

    macro_rules! callers {
        ($type:ident, $doc:literal, [$($service:ident),+]) => {
            #[doc = $doc]
            #[derive(Debug)]
            pub enum $type {}
            impl Callers for $type {
                const ALLOWED: &'static [Service] = &[$(Service::$service),+];
            }
        };
    }

    callers!(Auth, "auth alone", [Auth]);
    callers!(Role, "role alone", [Role]);
    callers!(Profile, "profile alone", [Profile]);
    callers!(ProfileOrRole, "profile and role", [Profile, Role]);
    callers!(
        AuthProfileSession,
        "auth, profile and session",
        [Auth, Profile, Session]
    );
    callers!(
        Any,
        "each of the five",
        [Auth, Role, Session, Audit, Profile]
    );
}

/// A call by one of `C`.
pub struct FromService<C> {
    /// Who calls.
    pub service: Service,
    /// The user they act for, if they say so.
    pub on_behalf_of: Option<UserId>,
    callers: PhantomData<fn() -> C>,
}

impl<C: Callers> FromRequest for FromService<C> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(admit(req))
    }
}

/// Tells a service that it is known here, and by which name: whether its clock and keys are good.
pub(crate) async fn caller(from: FromService<callers::Any>) -> actix_web::HttpResponse {
    actix_web::HttpResponse::Ok().json(serde_json::json!({"service": from.service}))
}

fn admit<C: Callers>(req: &HttpRequest) -> Result<FromService<C>, Problem> {
    let gate = req
        .app_data::<web::Data<InternalGate>>()
        .ok_or_else(|| Problem::internal("no InternalGate in the application"))?;
    let refuse = |code: Code| {
        if let Some(log) = &gate.log {
            log.note(SecurityNotice {
                event: "service_token_refused",
                origin: origin_of(req),
                target_type: "operation",
                target_id: operation_of(req),
            });
        }
        Problem::new(code)
    };
    let token = bearer(req).map_err(|_| refuse(Code::ServiceTokenInvalid))?;
    let caller = gate
        .verifier
        .verify(token)
        .map_err(|_| refuse(Code::ServiceTokenInvalid))?;
    if !C::ALLOWED.contains(&caller.service) {
        return Err(refuse(Code::ServiceCallerNotAllowed));
    }
    Ok(FromService {
        service: caller.service,
        on_behalf_of: caller.on_behalf_of,
        callers: PhantomData,
    })
}
