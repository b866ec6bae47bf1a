//! The command line: `serve` (default), `migrate [--revert [--yes]]`, `check-config`, `healthcheck`, `openapi`, and auth's
//! `admin`, `rewrap` and `revoke-all`. There is no `keygen`: the services inside one process make their identities
//! themselves.

use std::{future::Future, io::Write as _, net::SocketAddr, process::ExitCode};

use auth_service::AuthCommand;
use clap::{Parser, Subcommand};
use ud_http::MigrateArguments;
use ud_kernel::{Service, StartError};

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
    /// Run the pending migrations of all databases, or undo one of each
    Migrate {
        #[command(flatten)]
        arguments: MigrateArguments,
        /// With --revert: of this service alone; may be given several times
        #[arg(long, value_name = "SERVICE", requires = "revert", value_parser = service)]
        of: Vec<Service>,
    },
    /// Read the configuration, report every problem, exit 78 if there is one
    CheckConfig,
    /// Exit 0 if the server on this machine answers
    Healthcheck {
        /// And is ready to serve: its stores are up, and it is not stopping
        #[arg(long)]
        ready: bool,
    },
    /// Print the OpenAPI document
    Openapi,
    /// For the operator of the machine
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Make a code by which the owner of an account logs in whatever strangers have tried, and show it on the terminal
    Unlock {
        /// Email address or username
        identifier: String,
    },
    /// Rewrap what is sealed under older keys with the first of each service's KEY_ENCRYPTION_KEYS
    #[command(alias = "reseal")]
    Rewrap,
    /// After restoring the databases: replace every signing key, close every session
    #[command(alias = "fence")]
    RevokeAll,
}

/// What the operator may do without logging in.
#[derive(Subcommand)]
enum AdminCommand {
    /// Give an account a new password, print it, and close the account's sessions
    Reset {
        /// Email address or username
        identifier: String,
        /// Also let a suspended account log in again
        #[arg(long)]
        reactivate: bool,
    },
    /// Let a suspended user log in again, and say again to every service that they can
    Reactivate {
        /// Email address, username, or id
        identifier: String,
    },
    /// Make an account an administrator, whatever its state: reactivate it, give it a new password, assign `admin`
    Grant {
        /// Email address or username
        identifier: String,
    },
}

/// Runs the process.
#[must_use]
pub fn main() -> ExitCode {
    ud_http::forbid_core_dumps();
    let outcome = match Arguments::parse().command.unwrap_or(Command::Serve) {
        Command::Openapi => print(&ud_http::openapi_json(&documents::joined_openapi())),
        Command::Serve => Config::from_environment().and_then(|c| block_on(start::serve(c))),
        Command::Migrate { arguments, of } if arguments.is_revert() => {
            Config::from_environment().and_then(|c| block_on(start::revert(c, &arguments, &of)))
        }
        Command::Migrate { .. } => {
            Config::from_environment().and_then(|c| block_on(start::migrate(c)))
        }
        Command::Admin(AdminCommand::Grant { identifier }) => {
            Config::from_environment().and_then(|c| block_on(start::grant(identifier, c)))
        }
        Command::Admin(AdminCommand::Reactivate { identifier }) => {
            Config::from_environment().and_then(|c| block_on(start::reactivate(identifier, c)))
        }
        Command::Admin(AdminCommand::Reset {
            identifier,
            reactivate: true,
        }) => Config::from_environment().and_then(|c| block_on(start::reset(identifier, c))),
        Command::Admin(AdminCommand::Reset { identifier, .. }) => {
            run_auth(AuthCommand::reset(identifier, false))
        }
        Command::Unlock { identifier } => run_auth(AuthCommand::Unlock { identifier }),
        Command::Rewrap => Config::from_environment().and_then(|c| block_on(start::rewrap(c))),
        Command::RevokeAll => run_auth(AuthCommand::RevokeAll),
        Command::CheckConfig => Config::from_environment().and_then(|_| print("configuration: ok")),
        Command::Healthcheck { ready } => Config::from_environment().and_then(|c| {
            let http = c.standalone.http;
            let address = SocketAddr::new(http.host, http.port);
            block_on(ud_http::healthcheck(&http.own_address(address), ready))
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

fn service(name: &str) -> Result<Service, String> {
    let names = Service::ALL.map(Service::as_str).join(", ");
    Service::from_name(name).ok_or_else(|| format!("one of {names} is expected"))
}

fn run_auth(command: AuthCommand) -> Result<(), StartError> {
    Config::from_environment().and_then(|c| block_on(start::run_auth(command, c)))
}

fn block_on(work: impl Future<Output = Result<(), StartError>>) -> Result<(), StartError> {
    actix_web::rt::System::new().block_on(work)
}

fn print(text: &str) -> Result<(), StartError> {
    writeln!(std::io::stdout(), "{text}").map_err(StartError::internal)
}
