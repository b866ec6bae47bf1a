//! Internal routes: only for service tokens (SECURITY rule 24). Who may call stands in the handler's type:
//! `FromService<callers::Profile>`.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
};

use actix_web::{FromRequest, HttpRequest, dev, web};
use ud_kernel::{EventType, Service, UserId};
use ud_service::{Callers, InternalGate, NotAdmitted, SecurityEvent, callers};

use crate::{
    Problem,
    authed::bearer,
    origin::{operation_of, origin_of},
};

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
    let token = bearer(req).map_err(|_| NotAdmitted::Token);
    let caller = token
        .and_then(|token| gate.admit::<C>(token))
        .map_err(|refusal| {
            if let Some(log) = gate.log() {
                log.note(SecurityEvent {
                    kind: EventType::SERVICE_TOKEN_REFUSED,
                    origin: origin_of(req),
                    target_type: "operation",
                    target_id: operation_of(req),
                });
            }
            Problem::new(refusal.code())
        })?;
    Ok(FromService {
        service: caller.service,
        on_behalf_of: caller.on_behalf_of,
        callers: PhantomData,
    })
}
