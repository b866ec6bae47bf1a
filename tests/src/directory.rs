//! Where everything of one platform listens.

use ud_kernel::Service;

use crate::{Kind, Ports};

/// Ports of each kind in a block, after the gateway's: one for each service.
const EACH: u16 = Service::ALL.len() as u16;

/// Both listeners of one service.
#[derive(Debug, Clone)]
pub struct Address {
    /// Base address of its public listener; standalone has one for all.
    pub public: String,
    /// Base address below which its `/internal/v1` is.
    pub internal: String,
    /// Its readiness, in detail.
    pub ready: String,
}

/// The addresses of one platform.
#[derive(Debug)]
pub struct Directory {
    kind: Kind,
    gateway_port: u16,
    ports: Ports,
}

impl Directory {
    /// For a platform of this kind, whose gateway is on a port of the block unless given.
    #[must_use]
    pub fn new(kind: Kind, ports: Ports, gateway_port: Option<u16>) -> Self {
        Self {
            kind,
            gateway_port: gateway_port.unwrap_or_else(|| ports.get(0)),
            ports,
        }
    }

    /// Port of NGINX, or of standalone.
    #[must_use]
    pub const fn gateway_port(&self) -> u16 {
        self.gateway_port
    }

    /// Where clients go; `iss` of the platform's tokens.
    #[must_use]
    pub fn gateway(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port)
    }

    /// Public port of `service`.
    ///
    /// # Panics
    /// On containers.
    #[must_use]
    pub fn public_port(&self, service: Service) -> u16 {
        match self.kind {
            Kind::Services => self.ports.get(1 + index(service)),
            Kind::Standalone => self.gateway_port,
            Kind::Containers => panic!("of containers, the gateway's port alone is published"),
        }
    }

    /// Internal port of `service`.
    ///
    /// # Panics
    /// On containers.
    #[must_use]
    pub fn internal_port(&self, service: Service) -> u16 {
        match self.kind {
            Kind::Services => self.ports.get(1 + EACH + index(service)),
            Kind::Standalone => self.ports.get(1),
            Kind::Containers => panic!("of containers, the gateway's port alone is published"),
        }
    }

    /// Public and internal port of the second replica of `service`, where there is one.
    #[must_use]
    pub fn second_ports(&self, service: Service) -> (u16, u16) {
        let index = index(service);
        (
            self.ports.get(1 + 2 * EACH + index),
            self.ports.get(1 + 3 * EACH + index),
        )
    }

    /// Port that leads to the internal listeners of both replicas of `service`, where there are two.
    #[must_use]
    pub fn balanced_port(&self, service: Service) -> u16 {
        self.ports.get(1 + 4 * EACH + index(service))
    }

    /// Both listeners of `service`.
    #[must_use]
    pub fn of(&self, service: Service) -> Address {
        let root = format!("http://127.0.0.1:{}", self.internal_port(service));
        let internal = match self.kind {
            Kind::Services | Kind::Containers => root.clone(),
            Kind::Standalone => format!("{root}/{service}"),
        };
        Address {
            public: format!("http://127.0.0.1:{}", self.public_port(service)),
            internal,
            ready: format!("{root}/readyz"),
        }
    }
}

fn index(service: Service) -> u16 {
    let position = Service::ALL.iter().position(|s| *s == service);
    u16::try_from(position.expect("every service is listed")).expect("few")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_listener_has_a_port_of_its_own() {
        let directory = Directory::new(Kind::Services, Ports::reserve(), None);
        let of_each = Service::ALL.into_iter().flat_map(|service| {
            let (second, second_internal) = directory.second_ports(service);
            [
                directory.public_port(service),
                directory.internal_port(service),
                second,
                second_internal,
                directory.balanced_port(service),
            ]
        });
        let ports: Vec<u16> = of_each.chain([directory.gateway_port()]).collect();
        let distinct: BTreeSet<&u16> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len(), "{ports:?}");
    }
}
