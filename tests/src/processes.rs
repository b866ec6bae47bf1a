//! The processes of a platform: found, killed, stopped, started again.

use std::process::ExitStatus;

use ud_kernel::Service;

use crate::{Kind, Platform, Running};

impl Platform {
    /// The process that runs `service`.
    ///
    /// # Panics
    /// On containers.
    #[must_use]
    pub fn process(&self, service: Service) -> &Running {
        let own = self.processes.get(&service);
        own.or_else(|| self.processes.values().next())
            .expect("something runs")
    }

    /// The process that runs `service`, to be changed and started again.
    ///
    /// # Panics
    /// On containers.
    pub fn process_mut(&mut self, service: Service) -> &mut Running {
        let service = match self.kind {
            Kind::Services => service,
            Kind::Standalone => Service::Auth,
            Kind::Containers => panic!("tests hold no process of containers"),
        };
        self.processes.get_mut(&service).expect("something runs")
    }

    /// Kills the process that runs `service` (SIGKILL).
    pub fn kill(&self, service: Service) {
        self.process(service).kill();
    }

    /// Stops the process that runs `service` (SIGTERM) and waits for its end.
    pub async fn stop(&self, service: Service) -> ExitStatus {
        self.process(service).stop().await
    }

    /// Starts the process that runs `service` again, killing it if it still runs, and waits until it is ready.
    pub async fn restart(&mut self, service: Service) {
        self.process_mut(service).start_again();
        self.process(service).until_ready().await;
    }

    /// Takes a replica of `service`, the first (0) or the second (1), out of the gateway, which uses no connection to it any
    /// more when this returns; puts back what was taken out before. `None` puts back all.
    ///
    /// # Panics
    /// If NGINX does not do so, or this is no platform that began with another release and has two replicas.
    pub async fn take_out(&self, replica: Option<(Service, usize)>) {
        let all = Service::ALL.into_iter().flat_map(|service| {
            let first = self.directory.public_port(service);
            let second = self.directory.second_ports(service).0;
            [((service, 0), first), ((service, 1), second)]
        });
        let left = all.filter(|(one, _)| Some(*one) != replica);
        let upstreams: Vec<_> = left.map(|((s, _), port)| (s.as_str(), port)).collect();
        self.gateway().reload(&upstreams).await;
    }

    /// Every replica of every service, the first ones first.
    pub fn replicas_mut(&mut self) -> impl Iterator<Item = (Service, &mut Running)> {
        let all = self.processes.iter_mut().chain(&mut self.seconds);
        all.map(|(service, running)| (*service, running))
    }
}
