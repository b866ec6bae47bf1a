//! Where events are delivered.

use std::fmt;

use ud_kernel::{EventType, Service};

/// Somebody who is told of events: a service of ours, or what stands outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// One of the services, at its internal listener.
    Service(Service),
    /// Something else that a [`crate::Transport`] reaches by this name, which is no service's: a broker, for instance. It
    /// stands in databases and metrics.
    External(&'static str),
}

impl Destination {
    /// Returns the name by which deliveries are stored and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service(service) => service.as_str(),
            Self::External(name) => name,
        }
    }

    /// Returns the services that are told of an event.
    pub fn of(kind: EventType) -> impl Iterator<Item = Self> {
        kind.services().map(Self::Service)
    }

    /// Returns every service that `service` ever tells something, each once, in the order of [`Service::ALL`].
    #[must_use]
    pub fn told_by(service: Service) -> Vec<Self> {
        let told = EventType::services_told_by(service);
        told.into_iter().map(Self::Service).collect()
    }
}

impl From<Service> for Destination {
    fn from(service: Service) -> Self {
        Self::Service(service)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
