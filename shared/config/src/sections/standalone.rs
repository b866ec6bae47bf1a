//! All services in one process.

use std::path::PathBuf;

use super::{HttpConfig, http::port};
use crate::{Loader, keys};

/// Default public port.
const PORT: u16 = 8080;

/// What the standalone binary has beside the services' own sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandaloneConfig {
    /// Folder of databases and keys.
    pub data_dir: PathBuf,
    /// Both listeners; the internal one is always on 127.0.0.1, and on a free port unless told.
    pub http: HttpConfig,
}

impl StandaloneConfig {
    /// From a loader made [`Loader::for_standalone`].
    pub fn load(loader: &mut Loader) -> Self {
        let shared = HttpConfig::load_shared(loader);
        let told = loader.is_set(&keys::APP_ENV) && loader.app_env().is_production();
        if !shared.host.is_loopback() && !told {
            loader.problem(
                &keys::HOST,
                "is reachable from other machines: standalone wants APP_ENV=production for that",
            );
        }
        let data_dir = loader.text(&keys::DATA_DIR).unwrap_or_default();
        let http = HttpConfig {
            port: port(loader, &keys::PORT).unwrap_or(PORT),
            internal_port: port(loader, &keys::INTERNAL_PORT).unwrap_or(0),
            ..shared
        };
        if http.port == http.internal_port && http.port != 0 {
            loader.problem(
                &keys::INTERNAL_PORT,
                "is the public port; the listeners need two",
            );
        }
        Self {
            data_dir: PathBuf::from(data_dir),
            http,
        }
    }
}
