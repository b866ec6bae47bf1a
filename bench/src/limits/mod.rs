//! What the platform is compared with: the least that has to be done for the same answer.

use std::{fs, path::PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use testkit::{Process, free_port};

use crate::wire::Reply;

pub mod hashing;
pub mod inserts;
pub mod pgbench;
pub mod script;
pub mod serve;

/// An answer that a bare handler gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Canned {
    /// Headers, less those every server adds by itself.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Canned {
    /// The same answer as `reply`.
    ///
    /// # Panics
    /// If it is not text.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        let fields = reply.head.lines().filter_map(|line| line.split_once(": "));
        let own = |name: &str| !matches!(name, "content-length" | "date" | "connection");
        let headers = fields
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .filter(|(name, _)| own(name))
            .collect();
        let body = String::from_utf8(reply.body.clone()).expect("text");
        Self { headers, body }
    }

    /// A JSON answer.
    ///
    /// # Panics
    /// If `body` is no JSON.
    #[must_use]
    pub fn json(body: &impl Serialize) -> Self {
        Self {
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: serde_json::to_string(body).expect("JSON"),
        }
    }
}

/// A bare handler in a process of its own: this program, as `bench serve`.
#[derive(Debug)]
pub struct Bare {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    process: Process,
    folder: TempDir,
}

impl Bare {
    /// Answers every request with `canned`.
    pub async fn answering(canned: &Canned) -> Self {
        Self::start(canned, "answer", &[]).await
    }

    /// Decodes and verifies the bearer token of every request with the keys of `jwks`, then answers with `canned`.
    pub async fn decoding(canned: &Canned, jwks: &str) -> Self {
        Self::start(canned, "decode", &["--jwks", jwks]).await
    }

    /// Calls `GET first`, then `POST then` with the body `body`, then answers with `canned`.
    pub async fn calling(canned: &Canned, first: &str, then: &str, body: &str) -> Self {
        let more = ["--first", first, "--then", then, "--body", body];
        Self::start(canned, "call", &more).await
    }

    async fn start(canned: &Canned, what: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file: PathBuf = folder.path().join("answer.json");
        let json = serde_json::to_vec(canned).expect("JSON");
        fs::write(&file, json).expect("the folder can be written");
        let port = free_port();
        let own = std::env::current_exe().expect("the path of this program");
        let (file, number) = (file.display().to_string(), port.to_string());
        let arguments = ["serve", what, "--port", &number, "--file", &file];
        let arguments = [&arguments, more].concat();
        let nothing: [(&str, &str); 0] = [];
        let process = Process::start(&own, &arguments, folder.path(), nothing);
        let bare = Self {
            port,
            process,
            folder,
        };
        bare.process.wait_until_ready(&bare.url("/ready")).await;
        bare
    }

    /// The address of `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Folder of its files.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}
