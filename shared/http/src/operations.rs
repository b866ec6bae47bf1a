//! The operations that a service offers the others ([`ud_kernel::operation`]): resources of its internal listener where services
//! are processes of their own, calls where they share one. Operation and callers stand in the handler's argument:
//! `Call<CreateSession, callers::Auth, CreateSessionBody>`.

use std::{
    any::TypeId, collections::BTreeMap, future::Future, marker::PhantomData, pin::Pin, sync::Arc,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Route, dev,
    http::{Method as HttpMethod, StatusCode},
    web::{self, ServiceConfig},
};
use serde::Deserialize;
use ud_jwt::service::ServiceCaller;
use ud_kernel::{
    Service, UserId,
    models::Provenance,
    operation::{Method, Operation, Reply as _},
};
use ud_peer::{LocalOperations, RemoteProblem};
use ud_service::{Callers, NotAdmitted};

use crate::{
    FieldErrors, FromService, Json, Problem, Routes, Validate, answers::log_cause,
    origin::CallSource,
};

/// A call of operation `O` by one of `C`; its body passed the rules of `B`.
pub struct Call<O: Operation, C, B = Plain<<O as Operation>::Body>> {
    /// Who calls.
    pub service: Service,
    /// The user they act for, if they say so.
    pub on_behalf_of: Option<UserId>,
    source: CallSource,
    /// The key in the path.
    pub key: O::Key,
    /// The body, which passed its rules.
    pub body: B,
    callers: PhantomData<fn() -> C>,
}

impl<O: Operation, C, B> Call<O, C, B> {
    /// Returns request id and address of the call itself; where a user's request came from is in the body. Put together anew by
    /// each call.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.source.provenance()
    }
}

/// A body without rules beyond its type, or whose rules are the model's.
#[derive(Debug)]
pub struct Plain<T>(pub T);

impl<T> From<T> for Plain<T> {
    fn from(body: T) -> Self {
        Self(body)
    }
}

impl<T> Validate for Plain<T> {}

/// The operations of one service, and further resources of its internal listener.
#[derive(Clone, Default)]
pub struct Internal {
    offered: Vec<Offered>,
    local: Vec<Offer>,
    over_http: Vec<Routes>,
    everywhere: Vec<Routes>,
}

#[derive(Clone)]
struct Offered {
    path: &'static str,
    route: Arc<dyn Fn() -> Route + Send + Sync>,
}

/// Puts an operation of a service among those of the process.
type Offer = Arc<dyn Fn(Service, &LocalOperations) + Send + Sync>;

impl Internal {
    /// Offers operation `O` with `state`: `handler` carries it out, whether it was called over HTTP or in the process.
    #[must_use]
    pub fn offer<O, C, B, S, F, Fut>(mut self, state: &S, handler: F) -> Self
    where
        O: Operation,
        C: Callers,
        B: From<O::Body> + Validate + Send + 'static,
        S: Clone + Send + Sync + 'static,
        F: Fn(S, Call<O, C, B>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<O::Output, Problem>> + Send + 'static,
    {
        let (own, over_http) = (state.clone(), handler.clone());
        self.offered.push(Offered {
            path: O::ROUTE,
            route: Arc::new(move || {
                let (state, handler) = (own.clone(), over_http.clone());
                web::method(method(O::METHOD)).to(
                    move |caller: FromService<C>,
                          source: CallSource,
                          key: web::Path<O::Key>,
                          body: BodyOf<O>| {
                        let caller = ServiceCaller {
                            service: caller.service,
                            on_behalf_of: caller.on_behalf_of,
                        };
                        let key = key.into_inner();
                        let call = checked::<O, C, B>(caller, source, key, body.0);
                        let answer = call.map(|call| handler(state.clone(), call));
                        async move { response::<O>(&answer?.await?) }
                    },
                )
            }),
        });
        let own = state.clone();
        self.local.push(Arc::new(move |service, operations| {
            let (state, handler) = (own.clone(), handler.clone());
            operations.offer::<O>(
                service,
                Arc::new(move |caller, key, body| {
                    let (state, handler) = (state.clone(), handler.clone());
                    Box::pin(async move {
                        let answer = async move {
                            let call =
                                checked::<O, C, B>(caller, CallSource::default(), key, body)?;
                            handler(state, call).await
                        };
                        answer.await.map_err(|problem| remote(&problem))
                    })
                }),
            );
        }));
        self
    }

    /// Offers something within the process alone, by `offer`.
    #[must_use]
    pub fn locally(
        mut self,
        offer: impl Fn(Service, &LocalOperations) + Send + Sync + 'static,
    ) -> Self {
        self.local.push(Arc::new(offer));
        self
    }

    /// Adds resources that are there where services are processes of their own.
    #[must_use]
    pub fn over_http(
        mut self,
        routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static,
    ) -> Self {
        self.over_http.push(Arc::new(routes));
        self
    }

    /// Adds resources that are there in standalone, too.
    #[must_use]
    pub fn everywhere(
        mut self,
        routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static,
    ) -> Self {
        self.everywhere.push(Arc::new(routes));
        self
    }

    /// Puts the operations of `service` among those of the process.
    pub fn offer_locally(&self, service: Service, operations: &LocalOperations) {
        for offer in &self.local {
            offer(service, operations);
        }
    }

    /// Registers the resources; in standalone those that are there, too.
    pub fn configure(&self, cfg: &mut ServiceConfig, standalone: bool) {
        if !standalone {
            // One resource for each path, so that another method of it is 405.
            let mut paths: BTreeMap<_, Vec<&Offered>> = BTreeMap::new();
            for offered in &self.offered {
                paths.entry(offered.path).or_default().push(offered);
            }
            // In this order a word comes before a parameter in its place: `sessions/close` is no session.
            for (path, offered) in paths {
                let resource = web::resource(path);
                let routes = offered.iter();
                cfg.service(routes.fold(resource, |resource, one| resource.route((one.route)())));
            }
            self.over_http.iter().for_each(|routes| routes(cfg));
        }
        self.everywhere.iter().for_each(|routes| routes(cfg));
    }
}

const fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::GET,
        Method::Put => HttpMethod::PUT,
        Method::Post => HttpMethod::POST,
    }
}

/// The call, if its caller is one of `C` and its body passes the rules.
fn checked<O: Operation, C: Callers, B: From<O::Body> + Validate>(
    caller: ServiceCaller,
    source: CallSource,
    key: O::Key,
    body: O::Body,
) -> Result<Call<O, C, B>, Problem> {
    if !C::ALLOWED.contains(&caller.service) {
        return Err(Problem::new(NotAdmitted::Caller.code()));
    }
    let body = B::from(body);
    let mut errors = FieldErrors::default();
    body.validate(&mut errors);
    errors.into_result()?;
    Ok(Call {
        service: caller.service,
        on_behalf_of: caller.on_behalf_of,
        source,
        key,
        body,
        callers: PhantomData,
    })
}

/// The body of a request for `O`: JSON, or the query where its method is safe, which `()` does not look at.
struct BodyOf<O: Operation>(O::Body);

/// A body as sent; its rules come later.
#[derive(Deserialize)]
#[serde(transparent)]
struct Sent<T>(T);

impl<T> Validate for Sent<T> {}

impl<O: Operation> FromRequest for BodyOf<O> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        if O::METHOD != Method::Get {
            let json = Json::<Sent<O::Body>>::from_request(req, payload);
            return Box::pin(async move { Ok(json.await.map(|Json(Sent(body))| Self(body))?) });
        }
        if TypeId::of::<O::Body>() == TypeId::of::<()>() {
            let nothing = serde_json::from_slice(b"null").map(Self);
            let nothing = nothing.map_err(|e| Problem::internal(e).into());
            return Box::pin(std::future::ready(nothing));
        }
        let query = web::Query::<O::Body>::from_request(req, payload);
        Box::pin(async move { Ok(Self(query.await?.into_inner())) })
    }
}

fn response<O: Operation>(output: &O::Output) -> Result<HttpResponse, Problem> {
    let (status, body) = output.write().map_err(Problem::internal)?;
    let status = StatusCode::from_u16(status).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    if body.is_empty() {
        return Ok(response.finish());
    }
    Ok(response.content_type("application/json").body(body))
}

/// Returns a problem as the other service reads it. Its cause is for the log, here as over HTTP.
#[must_use]
pub fn remote(problem: &Problem) -> RemoteProblem {
    log_cause(problem);
    RemoteProblem {
        status: problem.code.status(),
        code: problem.code.as_str().to_owned(),
        errors: problem.errors.clone(),
    }
}
