//! The command line of a service: `serve` (default), `migrate [--revert [--yes]]`, `check-config`, `healthcheck`,
//! `openapi`, `keygen`, `setup`, and what a service has of its own.

use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use ud_config::{
    AppEnv, DatabaseConfig, HttpConfig, IdentityConfig, Loader, LogConfig, PeersConfig, TokenConfig,
};
use ud_jwt::{JwkSet, service::IdentityKey};
use ud_kernel::{Clock, Service, StartError};
use ud_seal::secret_file;
use ud_service::{Identity, ServiceContext, limits::Operation};
use ud_telemetry::Metrics;
use utoipa::openapi::OpenApi;

use crate::{
    Listening, MigrateArguments, Mounted, Revert, Server, StopSignals, carry_out,
    forbid_core_dumps, raise_descriptor_limit,
    setup::{SetupArguments, setup},
};

/// What a program needs of a service, whether it runs that alone or several of them.
pub trait ServiceBinary: 'static {
    /// The service.
    const SERVICE: Service;

    /// Its operations that have a limit.
    const LIMITED: &'static [Operation];

    /// Its own configuration, besides what all have.
    type Config: Clone + Send + 'static;

    /// Reads it; problems are collected in the loader.
    fn load(loader: &mut Loader) -> Self::Config;

    /// Returns where its SQL database is, if it has one.
    fn database(config: &Self::Config) -> Option<&DatabaseConfig>;

    /// Returns the most descriptors that the connections to its own database hold.
    fn database_descriptors(config: &Self::Config) -> usize {
        Self::database(config).map_or(0, DatabaseConfig::descriptors)
    }

    /// Returns the names of the key rings that it keeps in files, because its configuration does not give them.
    fn ring_files(_config: &Self::Config) -> Vec<&'static str> {
        Vec::new()
    }

    /// Encrypts what it has encrypted under older keys under the first of its KEY_ENCRYPTION_KEYS; nothing if it encrypts
    /// nothing.
    fn rewrap(
        _config: Self::Config,
        _context: ServiceContext,
    ) -> impl Future<Output = Result<(), StartError>> {
        std::future::ready(Ok(()))
    }

    /// Subcommands of its own; [`NoCommand`] if it has none.
    type Command: Subcommand;

    /// Runs one of them.
    fn run_command(
        command: Self::Command,
        config: Self::Config,
        context: ServiceContext,
    ) -> impl Future<Output = Result<(), StartError>>;

    /// Builds the service.
    fn build(
        config: Self::Config,
        context: ServiceContext,
    ) -> impl Future<Output = Result<Mounted, StartError>>;

    /// Runs the pending migrations.
    fn migrate(config: Self::Config) -> impl Future<Output = Result<(), StartError>>;

    /// Finds the migration that is to be undone: the last one, or the one of the version that is named. Changes nothing
    /// yet; if it is confirmed that it is undone, nobody else uses the database from now on.
    fn revert(
        config: Self::Config,
        arguments: MigrateArguments,
    ) -> impl Future<Output = Result<Revert, StartError>>;

    /// The public operations.
    fn openapi() -> OpenApi;
}

/// The subcommands of a service that has none of its own.
#[derive(Debug, Subcommand)]
pub enum NoCommand {}

/// The subcommand of a service that keeps something sealed and has no other of its own.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum RewrapCommand {
    /// Rewrap what is sealed under older keys with the first of the service's KEY_ENCRYPTION_KEYS
    #[command(alias = "reseal")]
    Rewrap,
}

#[derive(Parser)]
#[command(version, about = None, disable_help_subcommand = true)]
struct Arguments<C: Subcommand> {
    #[command(subcommand)]
    command: Option<Command<C>>,
}

#[derive(Subcommand)]
enum Command<C: Subcommand> {
    /// Serve (the default)
    Serve,
    /// Run the pending migrations, or undo one
    Migrate(MigrateArguments),
    /// Read the configuration, report every problem, exit 78 if there is one
    CheckConfig,
    /// Exit 0 if the service on this machine answers
    Healthcheck {
        /// And is ready to serve: its stores are up, and it is not stopping
        #[arg(long)]
        ready: bool,
    },
    /// Print the OpenAPI document
    Openapi,
    /// Make an identity key; prints its public half for IDENTITY_PEERS_FILE
    Keygen {
        /// Where the private key goes; the file must not exist
        path: PathBuf,
    },
    /// Make the secrets of a new installation of all services that are not there yet
    Setup(SetupArguments),
    #[command(flatten)]
    Own(C),
}

/// What every service is configured with.
struct Common {
    env: AppEnv,
    http: HttpConfig,
    identity: IdentityConfig,
    peers: PeersConfig,
    tokens: TokenConfig,
    log: LogConfig,
}

/// Runs service `S` as a process; `name` is what `--version` says.
#[must_use]
pub fn run<S: ServiceBinary>(name: &'static str) -> ExitCode {
    forbid_core_dumps();
    let matches = Arguments::<S::Command>::command().name(name).get_matches();
    let arguments =
        Arguments::<S::Command>::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    let outcome = match arguments.command.unwrap_or(Command::Serve) {
        Command::Openapi => print(&crate::openapi_json(&S::openapi())),
        Command::Keygen { path } => keygen(S::SERVICE, &path),
        Command::Setup(arguments) => setup(&arguments).and_then(|made| tell(&made)),
        Command::Serve => configured::<S, _>(|config, common| block_on(serve::<S>(config, common))),
        Command::Migrate(arguments) if arguments.is_revert() => configured::<S, _>(|config, _| {
            block_on(async move {
                let is_confirmed = arguments.is_confirmed();
                let revert = S::revert(config, arguments).await?;
                carry_out(vec![(S::SERVICE, revert)], is_confirmed).await
            })
        }),
        Command::Migrate(_) => configured::<S, _>(|config, _| block_on(S::migrate(config))),
        Command::Own(command) => configured::<S, _>(|config, common| {
            block_on(async move { S::run_command(command, config, context::<S>(&common)?).await })
        }),
        Command::CheckConfig => configured::<S, _>(|_, _| print("configuration: ok")),
        Command::Healthcheck { ready } => configured::<S, _>(|_, common| {
            let http = common.http;
            let address = SocketAddr::new(http.internal_bind, http.internal_port);
            block_on(healthcheck(&http.own_address(address), ready))
        }),
    };
    ud_telemetry::flush();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Reads the configuration, then does `work` with it.
fn configured<S: ServiceBinary, W>(work: W) -> Result<(), StartError>
where
    W: FnOnce(S::Config, Common) -> Result<(), StartError>,
{
    let mut loader = Loader::from_environment();
    let common = Common {
        env: loader.app_env(),
        http: HttpConfig::load(&mut loader, S::SERVICE),
        identity: IdentityConfig::load(&mut loader, S::SERVICE),
        peers: PeersConfig::load(&mut loader, S::SERVICE),
        tokens: TokenConfig::load(&mut loader, S::SERVICE),
        log: LogConfig::load(&mut loader, S::SERVICE),
    };
    let own = S::load(&mut loader);
    let warnings = loader.warnings();
    loader.finish().map_err(StartError::config)?;
    ud_telemetry::init(&common.log, S::SERVICE.as_str());
    for warning in warnings {
        log::warn!("configuration: {warning}");
    }
    work(own, common)
}

fn block_on(work: impl Future<Output = Result<(), StartError>>) -> Result<(), StartError> {
    actix_web::rt::System::new().block_on(work)
}

fn context<S: ServiceBinary>(common: &Common) -> Result<ServiceContext, StartError> {
    let clock = Clock::system();
    let metrics = Metrics::new(S::SERVICE.as_str());
    let identity = Identity::load(&common.identity, S::SERVICE, &clock)?;
    let (peers, tokens) = (common.peers.clone(), common.tokens.clone());
    ServiceContext::new(
        S::SERVICE,
        common.env,
        identity,
        peers,
        tokens,
        clock,
        &metrics,
    )
}

async fn serve<S: ServiceBinary>(config: S::Config, common: Common) -> Result<(), StartError> {
    let mut stop = StopSignals::listen()?;
    raise_descriptor_limit(1, S::database_descriptors(&config))?;
    let context = context::<S>(&common)?;
    let (clock, metrics) = (context.clock.clone(), context.metrics.clone());
    let listening = Listening::bind(&common.http)?;
    let internal = listening.internal_addr()?;
    let public = match common.http.has_public_listener {
        true => format!("{}, ", listening.public_addr()?),
        false => String::new(),
    };
    // A service that is still looking for what it needs ends at once.
    let mounted = tokio::select! {
        biased;
        () = stop.requested() => return Ok(()),
        mounted = S::build(config, context) => mounted?,
    };
    log::info!(
        "{} listens on {public}internal routes on {internal}",
        S::SERVICE
    );
    Server::new(listening, vec![mounted], clock, metrics)
        .run(stop.requested())
        .await
}

/// Asks `/healthz` at `base`, an address of this machine; with `ready`, `/readyz`.
///
/// # Errors
/// If it does not answer 200.
pub async fn healthcheck(base: &str, ready: bool) -> Result<(), StartError> {
    let path = if ready { "readyz" } else { "healthz" };
    let url = format!("{base}/{path}");
    let client = ud_jwt::outbound_client([])
        .timeout(Duration::from_secs(2))
        // Its own certificate names the service, not this machine's loopback address.
        .tls_danger_accept_invalid_certs(true)
        .build()
        .map_err(StartError::internal)?;
    let answer = client
        .get(&url)
        .send()
        .await
        .map_err(StartError::internal)?;
    answer
        .error_for_status()
        .map(drop)
        .map_err(StartError::internal)
}

fn keygen(service: Service, path: &Path) -> Result<(), StartError> {
    let key = IdentityKey::generate(service).map_err(StartError::internal)?;
    let private = key.to_private_jwk().map_err(StartError::internal)?;
    let set: JwkSet = [key.public_jwk()].into_iter().collect();
    let public = serde_json::to_string(&set).map_err(StartError::internal)?;
    secret_file::create(path, &private, secret_file::OWNER_ONLY)
        .map_err(|e| StartError::internal(format!("{}: {e}", path.display())))?;
    print(&public)
}

/// Names the files that `setup` made.
fn tell(made: &[PathBuf]) -> Result<(), StartError> {
    match made {
        [] => print("every secret is there"),
        _ => made
            .iter()
            .try_for_each(|path| print(&format!("made {}", path.display()))),
    }
}

fn print(text: &str) -> Result<(), StartError> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}").map_err(StartError::internal)
}

fn fail(error: &StartError) -> ExitCode {
    use std::io::Write as _;
    // Standard error may be closed; the exit code says it all the same.
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::from(error.exit_code())
}
