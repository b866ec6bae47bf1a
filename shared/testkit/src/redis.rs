//! A Redis server of one test's own, to be stopped and killed.

use std::time::Duration;

use tempfile::TempDir;

use crate::{
    child::Child,
    servers::{start_redis, start_redis_on},
};

/// It writes each command to disk before it answers, as `REDIS_DURABILITY=fsync` promises.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A Redis server on a free port of 127.0.0.1. Gone, with its data, when dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl RedisServer {
    /// Starts one, empty, with AOF and `appendfsync always`; ready when this returns.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let started = start_redis(folder.path(), &DURABLE);
        let (child, port) = started.unwrap_or_else(|error| panic!("{error}"));
        Self {
            port,
            child: Some(child),
            folder,
        }
    }

    /// Its URL, the same after a restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Stops it in order; the data stays.
    pub fn stop(&mut self) {
        if let Some(child) = self.child.take() {
            child.terminate();
            let _ = child.wait_blocking(Duration::from_secs(10));
        }
    }

    /// Kills it (SIGKILL); the data stays as it is on disk.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Has it stand still (SIGSTOP), until [`RedisServer::thaw`].
    pub fn freeze(&self) {
        self.child.iter().for_each(Child::freeze);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.child.iter().for_each(Child::thaw);
    }

    /// Starts it again on the same port and data, after [`RedisServer::stop`] or [`RedisServer::kill`].
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let started = start_redis_on(self.port, self.folder.path(), &DURABLE);
        self.child = Some(started.unwrap_or_else(|error| panic!("{error}")).0);
    }
}
