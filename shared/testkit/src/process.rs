//! A program under test, from outside.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::child::{Child, command, spawn};

/// How long a program may take to start or stop; a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// As much of a file's end is shown as a process's output, in bytes.
const SHOWN: u64 = 64 * 1024;

/// A running program with an environment of its own, its output captured. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    output: Arc<Mutex<String>>,
    changed: watch::Receiver<usize>,
    file: Option<PathBuf>,
}

impl Process {
    /// Starts `program` with `arguments` in the folder `folder`. Its environment is `environment` and PATH,
    /// nothing else, so that a developer's own settings change no test.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start<K: AsRef<str>, V: AsRef<str>>(
        program: &Path,
        arguments: &[&str],
        folder: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut run = prepare(program, arguments, folder, environment);
        run.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::run(run, program, None)
    }

    /// The same, its output appended to `file` and not captured: for programs that write more than one wants to
    /// hold or to read along. [`Process::output`] is then the file's end, and no line can be waited for.
    ///
    /// # Panics
    /// If it cannot be started, or the file cannot be opened.
    pub fn start_logging_to<K: AsRef<str>, V: AsRef<str>>(
        file: &Path,
        program: &Path,
        arguments: &[&str],
        folder: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut run = prepare(program, arguments, folder, environment);
        let opened = File::options().create(true).append(true).open(file);
        let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let again = opened.try_clone().expect("a file can be written by two");
        run.stdout(opened).stderr(again);
        Self::run(run, program, Some(file.to_owned()))
    }

    fn run(run: Command, program: &Path, file: Option<PathBuf>) -> Self {
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (child, pipes) = spawn(run).unwrap_or_else(|error| panic!("{name}: {error}"));

        let output = Arc::new(Mutex::new(String::new()));
        let (grown, changed) = watch::channel(0);
        let grown = Arc::new(grown);
        let readers: [Option<Box<dyn Read + Send>>; 2] = [
            pipes.stdout.map(|pipe| Box::new(pipe) as _),
            pipes.stderr.map(|pipe| Box::new(pipe) as _),
        ];
        for reader in readers.into_iter().flatten() {
            let (output, grown) = (Arc::clone(&output), Arc::clone(&grown));
            thread::spawn(move || {
                let mut reader = BufReader::new(reader);
                let mut line = Vec::new();
                while reader
                    .read_until(b'\n', &mut line)
                    .is_ok_and(|length| length > 0)
                {
                    let mut output = output.lock().expect("no panic under this lock");
                    output.push_str(&String::from_utf8_lossy(&line));
                    line.clear();
                    grown.send_replace(output.len());
                }
            });
        }
        Self {
            child,
            name,
            output,
            changed,
            file,
        }
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Everything it wrote so far, standard output and standard error together.
    #[must_use]
    pub fn output(&self) -> String {
        if let Some(file) = &self.file {
            return end_of(file).unwrap_or_default();
        }
        self.output
            .lock()
            .expect("no panic under this lock")
            .clone()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child.exit_status().is_none()
    }

    /// Waits for a line that contains `text`; the line.
    ///
    /// # Panics
    /// If it ends without, or none comes within 30 seconds; the message has its output.
    pub async fn wait_for_line(&self, text: &str) -> String {
        let found = || {
            let output = self.output();
            let line = output.lines().find(|line| line.contains(text));
            line.map(ToOwned::to_owned)
        };
        let mut changed = self.changed.clone();
        let line = timeout(PATIENCE, async {
            loop {
                changed.mark_unchanged();
                if let Some(line) = found() {
                    return Some(line);
                }
                // The readers end with the process's output.
                if changed.changed().await.is_err() {
                    return found();
                }
            }
        })
        .await;
        match line {
            Ok(Some(line)) => line,
            _ => panic!("{} did not write {text:?}:\n{}", self.name, self.output()),
        }
    }

    /// Waits until `GET url` answers 200. Only `http`.
    ///
    /// # Panics
    /// If the program ends, or 30 seconds pass; the message has its output.
    pub async fn wait_until_ready(&self, url: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = http_get(url).await;
            if matches!(answer, Ok((200, _))) {
                return;
            }
            if !self.is_running() || Instant::now() > end {
                let last =
                    answer.map_or_else(|error| error, |(status, body)| format!("{status} {body}"));
                panic!(
                    "{} is not ready at {url}: {last}\n{}",
                    self.name,
                    self.output()
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it ends by itself and all it wrote was read.
    ///
    /// # Panics
    /// If that does not come within 30 seconds; the message has its output.
    pub async fn wait(&self) -> ExitStatus {
        let ended = async {
            let status = self.child.wait().await;
            // The readers end with the process's output. What it wrote last is in the pipe when it is gone, and not yet here.
            let mut changed = self.changed.clone();
            while changed.changed().await.is_ok() {}
            status
        };
        match timeout(PATIENCE, ended).await {
            Ok(status) => status,
            Err(_) => panic!("{} does not end:\n{}", self.name, self.output()),
        }
    }

    /// Blocks until it has ended and all it wrote was read, but not longer than `limit`; whether that is so.
    #[must_use]
    pub fn ends_within(&self, limit: Duration) -> bool {
        let end = std::time::Instant::now() + limit;
        // The readers end with the process's output, and let go of it.
        let is_read = || Arc::strong_count(&self.output) == 1;
        let has_ended = self.child.wait_blocking(limit).is_some();
        while has_ended && !is_read() && std::time::Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        has_ended && is_read()
    }

    /// Sends SIGTERM; see [`Process::wait`].
    pub fn terminate(&self) {
        self.child.terminate();
    }

    /// Sends `signal`, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Kills it (SIGKILL); it is gone when this returns.
    pub fn kill(&self) {
        self.child.kill();
    }

    /// Has it stand still (SIGSTOP), until [`Process::thaw`].
    pub fn freeze(&self) {
        self.child.freeze();
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.child.thaw();
    }
}

/// The command that [`Process::start`] describes, its output not yet directed.
fn prepare<K: AsRef<str>, V: AsRef<str>>(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    environment: impl IntoIterator<Item = (K, V)>,
) -> Command {
    assert!(program.is_file(), "{} is not built", program.display());
    let mut run = command(program, "KILL");
    clear_environment(&mut run);
    run.args(arguments).current_dir(folder);
    for (name, value) in environment {
        run.env(name.as_ref(), value.as_ref());
    }
    run.stdin(Stdio::null());
    run
}

/// The last [`SHOWN`] bytes of `file`.
fn end_of(file: &Path) -> std::io::Result<String> {
    let length = fs::metadata(file)?.len();
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(length.saturating_sub(SHOWN)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Leaves PATH alone.
fn clear_environment(command: &mut Command) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a child needs PATH to find setpriv"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
}

/// Status and body of a `GET` of an `http` URL, without any HTTP library.
///
/// # Errors
/// What went wrong, in words, after at most 5 seconds.
pub async fn http_get(url: &str) -> Result<(u16, String), String> {
    let rest = url.strip_prefix("http://").ok_or("only http")?;
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(Duration::from_secs(5), talk)
        .await
        .map_err(|_| "no answer in 5 s")?;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.ok_or("not HTTP")?, body.to_owned()))
}
