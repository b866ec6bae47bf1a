#![doc = include_str!("../README.md")]

mod app;
mod authed;
mod body;
mod cli;
mod client;
mod docs;
mod edge;
mod form;
mod forwarded;
mod headers;
mod health;
mod internal;
mod limited;
mod openapi;
mod operator;
mod origin;
mod problem;
mod revocation_metrics;
mod security_log;
mod server;
mod tls;
mod token_room;
mod wiring;

pub mod limits;
pub mod permissions;

pub use authed::{AccessRule, Authed, Caller, Fresh, MAX_LOGIN_AGE, Own, OwnOr, Scope, TokenGuard};
pub use body::{FieldErrors, Json, MAX_BODY, MergePatch, Validate};
pub use cli::{NoCommand, ResealCommand, ServiceBinary, healthcheck, run, stop_requested};
pub use client::{CallError, Peers, RemoteProblem, ServiceClient};
pub use docs::openapi_json;
pub use form::Form;
pub use forwarded::TrustedProxies;
pub use headers::{IdempotencyKey, IfMatch, etag};
pub use health::{Check, CheckFuture, Readiness};
pub use internal::{Callers, FromService, InternalGate, callers};
pub use limited::{Limited, Limits};
pub use openapi::{Bearer, Refused, TooMany};
pub use operator::operator;
pub use origin::{ClientAddress, RequestOrigin};
pub use problem::{PROBLEM_JSON, Problem, ProblemBody};
pub use security_log::{LANES, NotedNotice, Notices, SecurityLog, SecurityNotice};
pub use server::{Listening, Mounted, Routes, Server, StopSignal, Task};
pub use token_room::{require_names_room, signature_algorithm};
pub use ud_jwt::revocation::Stakes;
pub use wiring::{Base, Identity, StartError};
