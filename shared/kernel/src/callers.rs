//! Sets of services as types: who may call an operation stands in its handler's argument.

use crate::Service;

pub use crate::service::types::*;

/// One service as a type.
pub trait ServiceType: 'static {
    /// The service.
    const SERVICE: Service;
}

/// A set of services: one of the types here, several of them as `(callers::Profile, callers::Role)`, or [`Any`].
pub trait Callers: 'static {
    /// Its members.
    const ALLOWED: &'static [Service];
}

impl<A: ServiceType, B: ServiceType> Callers for (A, B) {
    const ALLOWED: &'static [Service] = &[A::SERVICE, B::SERVICE];
}

impl<A: ServiceType, B: ServiceType, C: ServiceType> Callers for (A, B, C) {
    const ALLOWED: &'static [Service] = &[A::SERVICE, B::SERVICE, C::SERVICE];
}

/// Each of the services.
#[derive(Debug)]
pub enum Any {}

impl Callers for Any {
    const ALLOWED: &'static [Service] = &Service::ALL;
}
