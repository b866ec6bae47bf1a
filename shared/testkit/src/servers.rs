//! Throwaway PostgreSQL, MariaDB and Redis on free ports of 127.0.0.1, as fast as they go: nothing they
//! hold survives, so they need not wait for the disk.

use std::{
    fs, io,
    net::TcpStream,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    child::{Child, command, spawn},
    free_port,
    packages::{self, Component, find, is_root},
    statement,
};

/// How long a server may take until it answers; a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prefix of the folders in the system's folder for temporary files.
const FOLDER_PREFIX: &str = "ud-testkit-";

/// Why the servers do not run.
#[derive(Debug)]
pub enum StartError {
    /// These are not installed.
    Missing(Vec<&'static Component>),
    /// This went wrong.
    Failed(String),
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Three servers. Dropping them kills them and removes their files.
#[derive(Debug)]
pub struct Servers {
    /// `postgres://` URL of the superuser, without a database.
    pub postgres_url: String,
    /// `mysql://` URL of root, without a database.
    pub mysql_url: String,
    /// `redis://` URL.
    pub redis_url: String,
    // Dropped in this order: first the processes, then their files.
    postgres: Child,
    _others: [Child; 2],
    _folder: Folder,
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Killed, it would leave its piece of shared memory behind.
        self.postgres.signal(Signal::QUIT);
        let _ = self.postgres.wait_blocking(Duration::from_secs(10));
    }
}

impl Servers {
    /// Starts all three at the same time and waits until they answer.
    ///
    /// # Errors
    /// If one is not installed or does not start; its last log lines are in the error.
    pub fn start() -> Result<Self, StartError> {
        static NEEDED: [Component; 3] = [packages::POSTGRES, packages::MARIADB, packages::REDIS];
        let missing = packages::missing(&NEEDED);
        if !missing.is_empty() {
            return Err(StartError::Missing(missing));
        }
        remove_left_over();
        let folder = Folder::create()?;
        let (postgres, mysql, redis) = thread::scope(|scope| {
            let postgres = scope.spawn(|| retried(|| start_postgres(&folder.path)));
            let mysql = scope.spawn(|| retried(|| start_mariadb(&folder.path)));
            let redis = scope.spawn(|| retried(|| start_redis(&folder.path, &[])));
            let join = |thread: thread::ScopedJoinHandle<'_, Started>| thread.join();
            (join(postgres), join(mysql), join(redis))
        });
        let failed = |_| StartError::Failed("a starting thread panicked".to_owned());
        let postgres = postgres.map_err(failed)?.map_err(StartError::Failed)?;
        let mysql = mysql.map_err(failed)?.map_err(StartError::Failed)?;
        let redis = redis.map_err(failed)?.map_err(StartError::Failed)?;
        Ok(Self {
            postgres_url: format!("postgres://postgres@127.0.0.1:{}", postgres.1),
            mysql_url: format!("mysql://root@127.0.0.1:{}", mysql.1),
            redis_url: format!("redis://127.0.0.1:{}", redis.1),
            postgres: postgres.0,
            _others: [mysql.0, redis.0],
            _folder: folder,
        })
    }
}

/// A server and its port, or what it wrote before it failed.
type Started = Result<(Child, u16), String>;

/// Another process may have taken the port meanwhile.
fn retried(start: impl Fn() -> Started) -> Started {
    start().or_else(|_| start()).or_else(|_| start())
}

fn start_postgres(folder: &Path) -> Started {
    let data = fresh(folder, "postgres")?;
    let mut init = as_user("postgres", "initdb", "KILL")?;
    init.args([
        "-A",
        "trust",
        "-U",
        "postgres",
        "--no-sync",
        "--locale=C.UTF-8",
        "-E",
        "UTF8",
    ]);
    run(init.arg("-D").arg(&data), folder, "initdb")?;

    let port = free_port();
    // QUIT: the server removes its shared memory before it goes.
    let mut server = as_user("postgres", "postgres", "QUIT")?;
    server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "max_connections=400",
        "shared_buffers=64MB",
    ] {
        server.args(["-c", setting]);
    }
    let child = start_logged(server, folder, "postgres")?;
    let url = format!("postgres://postgres@127.0.0.1:{port}");
    await_server(&child, folder, "postgres", || {
        statement::on_postgres(&url, "postgres", "SELECT 1")
    })?;
    Ok((child, port))
}

fn start_mariadb(folder: &Path) -> Started {
    let data = fresh(folder, "mariadb")?;
    let mut init = as_user("mysql", "mariadb-install-db", "KILL")?;
    init.args([
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]);
    init.arg(format!("--datadir={}", data.display()));
    run(&mut init, folder, "mariadb-install-db")?;

    let port = free_port();
    let mut server = as_user("mysql", "mariadbd", "KILL")?;
    server.args([
        "--no-defaults",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
    ]);
    server.arg(format!("--datadir={}", data.display()));
    server.arg(format!("--socket={}", data.join("s.sock").display()));
    server.arg(format!("--pid-file={}", data.join("s.pid").display()));
    server.arg(format!("--port={port}"));
    server.args([
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=nosync",
        "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=64M",
        "--max-connections=400",
        "--performance-schema=OFF",
    ]);
    let child = start_logged(server, folder, "mariadb")?;
    let url = format!("mysql://root@127.0.0.1:{port}");
    await_server(&child, folder, "mariadb", || {
        statement::on_mysql(&url, "SELECT 1")
    })?;
    Ok((child, port))
}

/// Starts Redis in `folder` with `more` arguments; what it keeps, it keeps there.
pub(crate) fn start_redis(folder: &Path, more: &[&str]) -> Started {
    start_redis_on(free_port(), folder, more)
}

pub(crate) fn start_redis_on(port: u16, folder: &Path, more: &[&str]) -> Started {
    let program = find("redis-server").ok_or("redis-server is not installed")?;
    let mut server = command(program, "KILL");
    server.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
    ]);
    server
        .args(["--maxmemory-policy", "noeviction", "--dir"])
        .arg(folder);
    server.args(more);
    let child = start_logged(server, folder, "redis")?;
    await_server(&child, folder, "redis", || {
        let is_ours = fs::read_to_string(folder.join("redis.log"))
            .is_ok_and(|log| log.contains("Ready to accept connections"));
        let address = ([127, 0, 0, 1], port).into();
        match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Ok(_) if is_ours => Ok(()),
            Ok(_) => Err("another program answers on the port".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })?;
    Ok((child, port))
}

/// `program` as `user` if this is root (database servers refuse to run as root), else as it is.
fn as_user(user: &str, program: &str, death: &str) -> Result<Command, String> {
    let program = find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let mut run = command(program, death);
    if is_root() {
        let program = run.get_args().last().unwrap_or_default().to_owned();
        run = Command::new("setpriv");
        run.args([
            "--reuid",
            user,
            "--regid",
            user,
            "--init-groups",
            "--pdeathsig",
            death,
            "--",
        ]);
        run.arg(program);
    }
    Ok(run)
}

/// A new empty folder `name` that the server's user owns.
fn fresh(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    let make = || -> io::Result<()> {
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        if is_root() {
            let user = if name == "mariadb" { "mysql" } else { name };
            let (uid, gid) = ids_of(user)?;
            chown(&path, Some(uid), Some(gid))?;
        }
        Ok(())
    };
    make().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn ids_of(user: &str) -> io::Result<(u32, u32)> {
    let ids = fs::read_to_string("/etc/passwd")?.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(user);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        is_it.then_some((uid, gid))
    });
    ids.ok_or_else(|| io::Error::other(format!("there is no user {user}")))
}

/// Runs `command` to its end.
fn run(command: &mut Command, folder: &Path, name: &str) -> Result<(), String> {
    let output = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(format!(
        "{name} failed:\n{}",
        tail(&String::from_utf8_lossy(&text))
    ))
}

fn start_logged(mut command: Command, folder: &Path, name: &str) -> Result<Child, String> {
    let start = || -> io::Result<Child> {
        let log = fs::File::create(folder.join(format!("{name}.log")))?;
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        Ok(spawn(command)?.0)
    };
    start().map_err(|error| format!("{name}: {error}"))
}

/// Asks until the server answers, or ends, or patience does.
fn await_server(
    child: &Child,
    folder: &Path,
    name: &str,
    ask: impl Fn() -> Result<(), String>,
) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let Err(error) = ask() else { return Ok(()) };
        if child.exit_status().is_some() || Instant::now() > end {
            let log = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
            return Err(format!("{name} does not answer ({error}):\n{}", tail(&log)));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// A folder that holds a lock while its owner lives.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    _lock: fs::File,
    _removed_at_end: TempDir,
}

impl Folder {
    fn create() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir()?;
        // The servers' users must get through to their own folders.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        // It has its name only once it is locked, or another run could take it for left over.
        let unlocked = folder.path().join("unlocked");
        let lock = fs::File::create(&unlocked)?;
        lock.lock()?;
        fs::rename(unlocked, folder.path().join("lock"))?;
        Ok(Self {
            path: folder.path().to_owned(),
            _lock: lock,
            _removed_at_end: folder,
        })
    }
}

/// Removes what runs that were killed could not remove: folders whose lock nobody holds.
fn remove_left_over() {
    let entries = fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with(FOLDER_PREFIX)
        {
            continue;
        }
        let lock = fs::File::open(entry.path().join("lock"));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
