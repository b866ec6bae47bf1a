//! NGINX in front of the internal listeners of two replicas each, as the runbook proposes it.

use std::{fs, path::Path};

use testkit::Process;
use ud_kernel::Service;

use crate::{
    Directory,
    gateway::{nginx, source},
};

/// A running NGINX with `nginx/examples/internal.conf`, on the ports of a directory.
#[derive(Debug)]
pub(crate) struct Balancer {
    process: Process,
}

impl Balancer {
    /// Starts it; `folder` must not exist.
    pub(crate) fn start(folder: &Path, directory: &Directory) -> Self {
        let shipped = fs::read_to_string(source().join("examples/internal.conf"));
        let mut text = shipped.expect("internal.conf can be read");
        for service in Service::ALL {
            let declared = service.declaration().internal_port;
            let second = directory.second_ports(service).1;
            let ports = [
                (declared, directory.internal_port(service)),
                (declared + 100, directory.balanced_port(service)),
                (declared + 200, second),
            ];
            for (shipped, own) in ports {
                let own = format!("127.0.0.1:{own}");
                let found = format!("127.0.0.1:{shipped}");
                assert!(text.contains(&found), "{found} is not in internal.conf");
                text = text.replace(&found, &own);
            }
        }
        fs::create_dir_all(folder.join("run")).expect("the folder can be written");
        fs::write(folder.join("internal.conf"), text).expect("the folder can be written");
        Self {
            process: nginx(folder, "internal.conf"),
        }
    }

    /// Panics if it has ended: its configuration is wrong, or another program has a port.
    pub(crate) fn assert_running(&self) {
        let output = self.process.output();
        assert!(self.process.is_running(), "NGINX has ended:\n{output}");
    }
}
