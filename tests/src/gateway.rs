//! NGINX with the repository's configuration.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use testkit::{Process, Signal, packages};

use crate::{eventually, run_to_end};

/// What takes the place of `limits.conf`.
#[derive(Debug, Clone, Default)]
pub enum Limits {
    /// The same zones, so wide that no suite meets them.
    #[default]
    Roomy,
    /// The file as it is in the repository.
    Shipped,
    /// The same zones with these rates for logins and registrations: `("60r/m", "30r/m")`.
    Rates(String, String),
}

/// How long NGINX may take to let its old processes end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running NGINX on a copy of `nginx/` in which the files that differ from site to site are replaced.
#[derive(Debug)]
pub struct Gateway {
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl Gateway {
    /// Starts it on `port` in front of the public ports `upstreams` (name of the upstream, port).
    /// `folder` must not exist.
    ///
    /// # Panics
    /// If NGINX is not installed, or the folder cannot be written.
    #[must_use]
    pub fn start(folder: &Path, port: u16, upstreams: &[(&str, u16)], limits: &Limits) -> Self {
        Self::start_with(folder, port, upstreams, limits, &[])
    }

    /// The same with processes of its own that serve, so that it can be told of other upstreams ([`Gateway::reload`]).
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub(crate) fn start_reloadable(
        folder: &Path,
        port: u16,
        upstreams: &[(&str, u16)],
        limits: &Limits,
    ) -> Self {
        let listen = listen_on(port);
        let folder = Folder::prepare(folder, &listen, upstreams, limits);
        // Started by root, it would give its processes to somebody who cannot read the folder.
        let process = run(&folder.0, "nginx.conf", "daemon off; user root;");
        Self {
            folder: folder.0,
            port,
            process,
        }
    }

    /// Leads to these upstreams from now on; when this returns, no process of before is left, and no connection of theirs.
    ///
    /// # Panics
    /// If one does not end.
    pub(crate) async fn reload(&self, upstreams: &[(&str, u16)]) {
        let file = self.folder.join("upstreams.conf");
        fs::write(file, with_servers(upstreams)).expect("the folder can be written");
        let before = self.children();
        self.process.signal(Signal::HUP);
        eventually(PATIENCE, "NGINX has other processes", || async {
            let now = self.children();
            let is_other = !now.is_empty() && now.is_disjoint(&before);
            is_other.then_some(())
        })
        .await;
    }

    /// Ids of the processes that serve.
    fn children(&self) -> BTreeSet<String> {
        let pid = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().map(ToOwned::to_owned).collect()
    }

    /// The same with files of `nginx/examples/` among the services.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_with(
        folder: &Path,
        port: u16,
        upstreams: &[(&str, u16)],
        limits: &Limits,
        examples: &[&str],
    ) -> Self {
        let folder = Folder::prepare(folder, &listen_on(port), upstreams, limits);
        for name in examples {
            folder.add_example(name);
        }
        folder.start(port)
    }

    /// The same with the lines that `listen.conf` offers for TLS, and the certificate and key in these files. Suites of old
    /// versions are let in, so that nothing but those lines refuses such a version.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_over_tls(
        folder: &Path,
        port: u16,
        upstreams: &[(&str, u16)],
        certificate: &Path,
        key: &Path,
    ) -> Self {
        let shipped = fs::read_to_string(source().join("listen.conf"));
        let shipped = shipped.expect("listen.conf can be read");
        let offered = shipped.lines().filter_map(|line| line.strip_prefix("#   "));
        let listen = offered
            .chain(["ssl_ciphers DEFAULT:@SECLEVEL=0;"])
            .map(|line| format!("{line}\n"))
            .collect::<String>()
            .replace("443", &format!("127.0.0.1:{port}"))
            .replace(
                "/etc/user-domain/tls/fullchain.pem",
                &certificate.display().to_string(),
            )
            .replace("/etc/user-domain/tls/key.pem", &key.display().to_string());
        Folder::prepare(folder, &listen, upstreams, &Limits::Roomy).start(port)
    }

    /// The same for clients whose address is what `X-Test-Address` says, with `location` among the services.
    ///
    /// # Panics
    /// As [`Gateway::start`].
    #[must_use]
    pub fn start_with_chosen_addresses(
        folder: &Path,
        port: u16,
        upstreams: &[(&str, u16)],
        limits: &Limits,
        location: &str,
    ) -> Self {
        let listen = format!(
            "listen 127.0.0.1:{port} default_server;\n\
             set_real_ip_from 127.0.0.1;\nreal_ip_header X-Test-Address;\n"
        );
        let folder = Folder::prepare(folder, &listen, upstreams, limits);
        let file = folder.0.join("services/test.conf");
        fs::write(file, location).expect("the folder can be written");
        folder.start(port)
    }

    /// The process.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until it answers.
    ///
    /// # Panics
    /// If it ends instead: another program has its port, for instance.
    pub async fn until_ready(&self) {
        let url = format!("http://127.0.0.1:{}/healthz", self.port);
        self.process.wait_until_ready(&url).await;
        let output = self.process.output();
        assert!(self.process.is_running(), "NGINX has ended:\n{output}");
    }

    /// Lines of the access log so far.
    #[must_use]
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.folder.join("run/access.log")).unwrap_or_default()
    }

    /// Runs `nginx -t` on the same folder: whether it passed, and what it wrote.
    ///
    /// # Panics
    /// If it cannot be run.
    #[must_use]
    pub fn test_configuration(&self) -> (bool, String) {
        let path = self.folder.display().to_string();
        let arguments = ["-t", "-p", &path, "-c", "nginx.conf"];
        let (code, output) = run_to_end(&program(), &arguments, &self.folder, &[]);
        (code == Some(0), output)
    }
}

impl Drop for Gateway {
    /// Killed, it would leave the processes that serve.
    fn drop(&mut self) {
        if !self.children().is_empty() {
            self.process.terminate();
            let _ = self.process.ends_within(PATIENCE);
        }
    }
}

/// A copy of `nginx/`.
struct Folder(PathBuf);

impl Folder {
    fn prepare(folder: &Path, listen: &str, upstreams: &[(&str, u16)], limits: &Limits) -> Self {
        copy(&source(), folder).expect("nginx/ can be copied");
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).expect("the folder can be written");
        };
        write("listen.conf", listen);
        write("upstreams.conf", &with_servers(upstreams));
        match limits {
            Limits::Shipped => {}
            Limits::Roomy => write("limits.conf", &zones("1000000r/s", "1000000r/s")),
            Limits::Rates(login, registration) => {
                write("limits.conf", &zones(login, registration));
            }
        }
        fs::create_dir_all(folder.join("run")).expect("the folder can be written");
        Self(folder.to_owned())
    }

    fn add_example(&self, name: &str) {
        let (example, service) = (source().join("examples"), self.0.join("services"));
        fs::copy(example.join(name), service.join(name)).expect("an example can be copied");
    }

    fn start(self, port: u16) -> Gateway {
        let process = nginx(&self.0, "nginx.conf");
        Gateway {
            folder: self.0,
            port,
            process,
        }
    }
}

/// The shipped `upstreams.conf` with these servers in place of its own, several of one name in one group; other names get
/// groups like those.
fn with_servers(upstreams: &[(&str, u16)]) -> String {
    let shipped = fs::read_to_string(source().join("upstreams.conf"));
    let mut text = shipped.expect("upstreams.conf can be read");
    let names: BTreeSet<_> = upstreams.iter().map(|(name, _)| *name).collect();
    for name in names {
        let ports = upstreams.iter().filter(|(of, _)| *of == name);
        let servers: Vec<_> = ports
            .map(|(_, port)| format!("server 127.0.0.1:{port} max_fails=0;"))
            .collect();
        let servers = servers.join("\n    ");
        let group = format!("upstream {name} {{\n    ");
        match text.split_once(&group) {
            Some((before, rest)) => {
                let (_, after) = rest.split_once(';').expect("a server");
                text = format!("{before}{group}{servers}{after}");
            }
            None => text.push_str(&format!("{group}{servers}\n    keepalive 32;\n}}\n")),
        }
    }
    text
}

fn listen_on(port: u16) -> String {
    format!("listen 127.0.0.1:{port} default_server;\n")
}

/// `nginx/` of the repository.
pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nginx")
}

/// The program that `TEST_NGINX` names, otherwise the installed one.
fn program() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tells tests which NGINX")]
    let told = std::env::var_os("TEST_NGINX");
    if let Some(told) = told.filter(|path| !path.is_empty()) {
        return told.into();
    }
    packages::find("nginx").unwrap_or_else(|| {
        panic!(
            "nginx is not installed; run\n\n    apt-get install -y --no-install-recommends nginx\n"
        )
    })
}

/// One process, not a master with workers: killing it leaves nothing behind.
pub(crate) fn nginx(folder: &Path, configuration: &str) -> Process {
    run(folder, configuration, "daemon off; master_process off;")
}

fn run(folder: &Path, configuration: &str, directives: &str) -> Process {
    let path = folder.display().to_string();
    let arguments = ["-p", &path, "-c", configuration, "-g", directives];
    let no_environment: [(&str, &str); 0] = [];
    Process::start(&program(), &arguments, folder, no_environment)
}

fn zones(login: &str, registration: &str) -> String {
    format!(
        "limit_req_zone $source zone=login:1m rate={login};\n\
         map $request_method $registration_key {{ POST $source; default \"\"; }}\n\
         limit_req_zone $registration_key zone=registration:1m rate={registration};\n\
         limit_req_zone $source zone=everything:1m rate=1000000r/s;\n\
         limit_conn_zone $source zone=connections:1m;\n"
    )
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), target)?;
        } else if entry.file_name() != "run" {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}
