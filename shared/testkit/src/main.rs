//! Starts throwaway servers around a command, and tells what is not installed.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for a terminal"
)]

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{ExitCode, ExitStatus},
    time::{Duration, Instant},
};

use testkit::{
    Child, command,
    packages::{self, Component, EXIT_UNAVAILABLE},
    servers::{Servers, StartError},
    spawn_in_group,
};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: testkit with -- COMMAND ARGUMENTS...
         runs COMMAND with throwaway PostgreSQL, MariaDB and Redis in TEST_POSTGRES_URL,
         TEST_MYSQL_URL and TEST_REDIS_URL; its exit code is COMMAND's
       testkit check
         lists what is not installed on standard error, prints the command that installs it on
         standard output, and exits 69 if something is missing";

/// Wrong arguments (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// How long the command may take to end after a signal.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["with", "--", program, rest @ ..] => with(program, rest),
        ["check"] => check(),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn check() -> ExitCode {
    let missing = packages::missing(&packages::ALL);
    if missing.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("Not installed: {}", names(&missing));
    println!("{}", packages::install_command(&missing));
    ExitCode::from(EXIT_UNAVAILABLE)
}

fn names(components: &[&Component]) -> String {
    let names: Vec<&str> = components.iter().map(|component| component.name).collect();
    names.join(", ")
}

fn with(program: &str, arguments: &[&str]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run_with_servers(program, arguments)),
        Err(error) => failed(&error.to_string()),
    }
}

async fn run_with_servers(program: &str, arguments: &[&str]) -> ExitCode {
    // From here on a signal does not end this process: it ends the servers first.
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    let (Ok(mut interrupts), Ok(mut terminations)) = signals else {
        return failed("cannot listen to signals");
    };
    let begun = Instant::now();
    let starting = tokio::task::spawn_blocking(Servers::start);
    let servers = match starting.await {
        Ok(Ok(servers)) => servers,
        Ok(Err(StartError::Missing(missing))) => {
            eprintln!("testkit: not installed: {}. Run:\n", names(&missing));
            eprintln!("    {}\n", packages::install_command(&missing));
            return ExitCode::from(EXIT_UNAVAILABLE);
        }
        Ok(Err(StartError::Failed(why))) => return failed(&why),
        Err(error) => return failed(&error.to_string()),
    };
    eprintln!(
        "testkit: PostgreSQL, MariaDB and Redis started in {} ms",
        begun.elapsed().as_millis()
    );
    tokio::select! {
        biased;
        _ = interrupts.recv() => return ExitCode::from(130),
        _ = terminations.recv() => return ExitCode::from(143),
        () = std::future::ready(()) => {}
    }
    let mut run = command(program, "TERM");
    run.args(arguments)
        .env("TEST_POSTGRES_URL", &servers.postgres_url)
        .env("TEST_MYSQL_URL", &servers.mysql_url)
        .env("TEST_REDIS_URL", &servers.redis_url);
    let child = match spawn_in_group(run) {
        Ok((child, _)) => child,
        Err(error) => return failed(&format!("{program}: {error}")),
    };
    let status = tokio::select! {
        status = child.wait() => Some(status),
        // A terminal sends Ctrl-C to the command as well; it need not be passed on.
        _ = interrupts.recv() => wait_after_signal(&child).await,
        _ = terminations.recv() => {
            child.terminate();
            wait_after_signal(&child).await
        }
    };
    drop(child);
    drop(servers);
    status.map_or(ExitCode::FAILURE, exit_code)
}

async fn wait_after_signal(child: &Child) -> Option<ExitStatus> {
    tokio::time::timeout(STOP_PATIENCE, child.wait()).await.ok()
}

/// The same code; for a signal, 128 and its number, as shells do.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn failed(why: &str) -> ExitCode {
    eprintln!("testkit: {why}");
    ExitCode::FAILURE
}
