//! What can be seen of a platform from outside.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use ud_kernel::{Code, Service};

use crate::{Platform, Running};

/// How long an access token may still be good after its session was closed or its rights were taken
/// (SECURITY rule 18).
const BOUND: Duration = Duration::from_millis(1500);

/// How long a line may take to be written.
const LAST_LINE: Duration = Duration::from_secs(10);

/// A path that no test asks for.
const LAST_REQUEST: &str = "/the-last-request";

/// A path at each service that everybody may read for themselves; a further service adds one.
pub const OWN: [(Service, &str); Service::ALL.len()] = [
    (Service::Auth, "/api/v1/auth/validate"),
    (Service::Role, "/api/v1/role-assignments"),
    (Service::Session, "/api/v1/sessions"),
    (Service::Audit, "/api/v1/audits"),
    (Service::Profile, "/api/v1/users/me"),
];

impl Platform {
    /// Everything every process wrote, and the gateway's access log.
    #[must_use]
    pub fn logs(&self) -> String {
        let all = self.processes.values().chain(self.seconds.values());
        let mut logs: String = all.map(Running::log).collect();
        if let Some(gateway) = &self.gateway {
            logs.push_str(&gateway.process().output());
            logs.push_str(&gateway.access_log());
        }
        logs
    }

    /// Panics if a log holds a password, a token, an address, a name or a phone number (SECURITY rule 34).
    ///
    /// # Panics
    /// If one does.
    fn assert_logs_are_clean(&self) {
        let found = self.secrets.found_in(&self.logs());
        assert!(found.is_empty(), "in the logs:\n{}", found.join("\n"));
    }

    /// Every service takes `token`, and now remembers that it does.
    ///
    /// # Panics
    /// If one refuses.
    pub async fn accepted_everywhere(&self, token: &str) {
        for (_, path) in OWN {
            let _ = self.client.get(path).bearer(token).await.must(200);
        }
    }

    /// Every service refuses `token` with one of `codes`, 1.5 s after `since` at the latest.
    ///
    /// # Panics
    /// If one still takes it, or refuses otherwise.
    pub async fn refused_everywhere(&self, token: &str, since: Instant, codes: &[Code]) {
        for (service, path) in OWN {
            loop {
                let asked = Instant::now();
                let answer = self.client.get(path).bearer(token).await;
                if answer.status == 401 {
                    let is_right = codes
                        .iter()
                        .any(|code| answer.code() == Some(code.as_str()));
                    assert!(is_right, "{codes:?} was expected: {answer:?}");
                    break;
                }
                let _ = answer.must(200);
                let age = asked.duration_since(since);
                assert!(age < BOUND, "{service} takes the token {age:?} after");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // And it stays so.
        for (_, path) in OWN {
            let _ = self.client.get(path).bearer(token).await.must(401);
        }
    }
}

impl Drop for Platform {
    /// Every test that used a platform has its logs searched, whatever it was about.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for (service, running) in &self.processes {
                wait_for_last_line(running, self.directory.public_port(*service));
            }
            for (service, running) in &self.seconds {
                wait_for_last_line(running, self.directory.second_ports(*service).0);
            }
            self.assert_logs_are_clean();
        }
    }
}

/// Lines are gathered for a moment before they are written, in their order: waits until that of a last request is there,
/// or the process has ended.
fn wait_for_last_line(running: &Running, port: u16) {
    let process = running.process();
    let request = format!("GET {LAST_REQUEST} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\n\r\n");
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(LAST_LINE))?;
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut Vec::new())
    };
    let asked = ask();
    let end = Instant::now() + LAST_LINE;
    while !process.ends_within(Duration::from_millis(5)) && !running.log().contains(LAST_REQUEST) {
        assert!(
            Instant::now() < end,
            "a last request ({asked:?}) is not in the log:\n{}",
            running.log()
        );
    }
}
