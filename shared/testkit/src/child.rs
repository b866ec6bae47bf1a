//! Child processes that do not outlive this one.

use std::{
    ffi::OsStr,
    io,
    os::unix::process::CommandExt as _,
    process::{ChildStderr, ChildStdout, Command, ExitStatus},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// A running program. Killed when dropped, and by the system when this process dies, however it dies.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    exit: watch::Receiver<Option<ExitStatus>>,
}

/// The pipes of a child that were asked for.
#[derive(Debug, Default)]
pub struct Pipes {
    /// Its standard output.
    pub stdout: Option<ChildStdout>,
    /// Its standard error.
    pub stderr: Option<ChildStderr>,
}

type Job = (Command, mpsc::Sender<io::Result<std::process::Child>>);

/// A command that runs `program`, and gets the signal `death` (`KILL`, `TERM`, ...) when this process dies.
#[must_use]
pub fn command(program: impl AsRef<OsStr>, death: &str) -> Command {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", death, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Starts a [`command`] in its own process group, so that Ctrl-C in a terminal reaches this process alone.
///
/// # Errors
/// If it cannot be started.
pub fn spawn(mut command: Command) -> io::Result<(Child, Pipes)> {
    command.process_group(0);
    spawn_in_group(command)
}

/// As [`spawn`], in the process group of this process.
///
/// # Errors
/// If it cannot be started.
pub fn spawn_in_group(command: Command) -> io::Result<(Child, Pipes)> {
    // Linux sends the death signal when the *thread* that started a child ends. One that never ends
    // starts them all.
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in queue {
                let _ = answer.send(command.spawn());
            }
        });
        jobs
    });
    let (answer, started) = mpsc::channel();
    spawner.send((command, answer)).expect("the spawner runs");
    let mut child = started.recv().expect("the spawner runs")?;
    let pipes = Pipes {
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
    };
    let pid = Pid::from_child(&child);
    let (exited, exit) = watch::channel(None);
    thread::spawn(move || {
        let status = child.wait().expect("a child can be waited for");
        exited.send_replace(Some(status));
    });
    Ok((Child { pid, exit }, pipes))
}

impl Child {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits until it ends.
    pub async fn wait(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let status = *exit
            .wait_for(Option::is_some)
            .await
            .expect("the waiter sends");
        status.expect("just seen")
    }

    /// Waits, blocking the thread, at most `longest`; how it ended.
    #[must_use]
    pub fn wait_blocking(&self, longest: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + longest;
        while self.exit_status().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        self.exit_status()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends SIGKILL and waits, blocking, until the process is gone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        let _ = self.wait_blocking(Duration::from_secs(10));
    }

    /// Has it stand still (SIGSTOP): nothing of it runs, and nobody who talks to it is told.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends `signal`, unless the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.exit_status().is_none() {
            let _ = kill_process(self.pid, signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
