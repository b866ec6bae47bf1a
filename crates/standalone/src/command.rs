//! The command line: `serve` (default), `migrate [--revert]`, `check-config`, `healthcheck`, `openapi`, and auth's
//! `admin`, `reseal` and `fence`. There is no `keygen`: the services inside one process make their identities themselves.

use std::{future::Future, io::Write as _, net::SocketAddr, process::ExitCode};

use auth_service::AuthCommand;
use clap::{Parser, Subcommand};
use ud_http::StartError;

use crate::{config::Config, documents, start};

#[derive(Parser)]
#[command(version, about = None, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default)
    Serve,
    /// Run the pending migrations of the five databases
    Migrate {
        /// Undo the last one of each instead
        #[arg(long)]
        revert: bool,
    },
    /// Read the configuration, report every problem, exit 78 if there is one
    CheckConfig,
    /// Exit 0 if the server on this machine answers
    Healthcheck,
    /// Print the OpenAPI document
    Openapi,
    #[command(flatten)]
    Auth(AuthCommand),
}

/// Runs the process.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command.unwrap_or(Command::Serve) {
        Command::Openapi => print(&ud_http::openapi_json(&documents::joined_openapi())),
        Command::Serve => Config::from_environment().and_then(|c| block_on(start::serve(c))),
        Command::Migrate { revert } => {
            Config::from_environment().and_then(|c| block_on(start::migrate(c, revert)))
        }
        Command::Auth(command) => {
            Config::from_environment().and_then(|c| block_on(start::run_auth(command, c)))
        }
        Command::CheckConfig => Config::from_environment().and_then(|_| print("configuration: ok")),
        Command::Healthcheck => Config::from_environment().and_then(|c| {
            let http = c.standalone.http;
            let address = SocketAddr::new(http.host, http.port);
            block_on(ud_http::healthcheck(&http.own_address(address)))
        }),
    };
    ud_telemetry::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; the exit code says it all the same.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn block_on(work: impl Future<Output = Result<(), StartError>>) -> Result<(), StartError> {
    actix_web::rt::System::new().block_on(work)
}

fn print(text: &str) -> Result<(), StartError> {
    writeln!(std::io::stdout(), "{text}").map_err(StartError::internal)
}
