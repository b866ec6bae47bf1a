//! Starts a platform to work with, or around a command:
//!
//! ```sh
//! cargo run -p testkit -- with -- cargo run -p end-to-end --bin platform      # until Ctrl-C; `make dev`
//! cargo run -p end-to-end --bin platform -- --standalone -- tests/schemathesis.sh
//! ```

use std::{
    io::{self, Write as _},
    process::{Command, ExitCode, ExitStatus},
    time::Duration,
};

use clap::Parser;
use end_to_end::{Kind, Limits, Options, Platform, SERVICES};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use ud_kernel::Service;

/// Port of the gateway unless `GATEWAY_PORT` says otherwise.
const PORT: u16 = 8080;

/// Starts the services behind NGINX, on PostgreSQL (TEST_POSTGRES_URL) and Redis, and stops them at Ctrl-C
#[derive(Parser)]
struct Arguments {
    /// Starts the one binary on SQLite instead
    #[arg(long)]
    standalone: bool,
    /// Runs this with GATEWAY_URL, ADMIN_EMAIL and ADMIN_PASSWORD set, on a free port and without limits, and
    /// ends with it
    #[arg(last = true)]
    command: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let kind = if arguments.standalone {
        Kind::Standalone
    } else {
        Kind::Services
    };
    let outcome = match arguments.command.split_first() {
        Some((program, rest)) => around(kind, program, rest).await,
        None => until_stopped(kind).await,
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "platform: {error}");
        ExitCode::FAILURE
    })
}

/// Runs a command beside a platform; its exit code.
async fn around(kind: Kind, program: &str, arguments: &[String]) -> io::Result<ExitCode> {
    let platform = Platform::start(kind).await;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("GATEWAY_URL", platform.client.base())
        .env("ADMIN_EMAIL", &platform.chief.email)
        .env("ADMIN_PASSWORD", &platform.chief.password);
    let status: io::Result<ExitStatus> = tokio::task::spawn_blocking(move || command.status())
        .await
        .map_err(io::Error::other)?;
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Serves with the limits and the hashing cost of a real site, and shows the logs.
async fn until_stopped(kind: Kind) -> io::Result<ExitCode> {
    let mut options = Options::new(kind).port(port()?).limits(Limits::Shipped);
    for key in ud_config::keys::limits() {
        options = options.set(&key.name, "");
    }
    options = options.set("BCRYPT_COST", "").set("LOG_FORMAT", "text");
    let mut platform = options.start().await;
    let _ = platform.fresh_logs();
    tell(&platform)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = sleep(Duration::from_millis(500)) => {
                io::stdout().lock().write_all(platform.fresh_logs().as_bytes())?;
            }
        }
    }
    writeln!(io::stdout(), "stopping")?;
    platform.shut_down().await;
    Ok(ExitCode::SUCCESS)
}

fn port() -> io::Result<u16> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a tool of developers, told by make"
    )]
    let told = std::env::var("GATEWAY_PORT");
    match told {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map_err(|_| io::Error::other(format!("GATEWAY_PORT is no port: {text}"))),
        _ => Ok(PORT),
    }
}

/// Where everything is.
fn tell(platform: &Platform) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let gateway = platform.client.base();
    writeln!(out, "gateway          {gateway}")?;
    writeln!(out, "documentation    {gateway}/docs/")?;
    for (service, _) in SERVICES {
        let address = platform.directory.of(service);
        let (public, internal) = (address.public, address.internal);
        writeln!(
            out,
            "{:<16} {public}, internal {internal}",
            service.as_str()
        )?;
    }
    if platform.kind == Kind::Services {
        let with_database = |service: &Service| service.declaration().has_database_server;
        for service in Service::ALL.into_iter().filter(with_database) {
            let url = &platform.database(service).url;
            writeln!(out, "{:<16} {url}", format!("{service}'s database"))?;
        }
    }
    if let Some(redis) = platform.redis() {
        writeln!(out, "Redis            {}", redis.url())?;
    }
    writeln!(out, "files            {}", platform.folder().display())?;
    let chief = &platform.chief;
    writeln!(
        out,
        "administrator    {}, password: {}",
        chief.email, chief.password
    )?;
    writeln!(out, "Ctrl-C stops it all.")
}
