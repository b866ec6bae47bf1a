//! Builds the services and serves them.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use auth_service::{AuthCommand, AuthService, has_signing_keys};
use role_service::{RoleCommand, RoleService};
use secrecy::ExposeSecret as _;
use ud_http::{
    Listening, MigrateArguments, Mounted, Server, ServiceBinary, StopSignals, carry_out,
    raise_descriptor_limit,
};
use ud_kernel::{Clock, Service, StartError};
use ud_peer::LocalOperations;
use ud_service::ServiceContext;
use ud_telemetry::Metrics;
use user_profile_service::{BootstrapOutcome, ProfileCommand, ProfileService};

use crate::{
    administrator::Administrator, config::Config, installation::Installation, kept::kept, welcome,
};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If something does not start.
pub(crate) async fn serve(mut config: Config) -> Result<(), StartError> {
    let mut stop = StopSignals::listen()?;
    raise_descriptor_limit(Service::ALL.len(), config.database_descriptors())?;
    let mut installation = examine_folder(&config)?;
    let clock = Clock::system();
    let metrics = Metrics::new("standalone");
    let listening = Listening::bind(&config.standalone.http)?;
    let address = config.standalone.http.own_address(listening.public_addr()?);
    if config.is_issuer_unset {
        config.tokens.issuer.clone_from(&address);
    }
    let contexts = Contexts::new(&config, clock.clone(), metrics.clone());
    // While it is still looking for what it needs it ends at once.
    tokio::select! {
        biased;
        () = stop.requested() => return Ok(()),
        begun = begin(&mut config, &installation) => begun?,
    }

    let email = config.administrator.take();
    let folder = config.standalone.data_dir.clone();
    let profile = config.of::<ProfileService>()?;
    let administrator = match profile.bootstrap {
        Some(_) => None,
        None => {
            let made = Administrator::prepare(&folder, email)?;
            profile.bootstrap = Some(made.bootstrap.clone());
            Some(made)
        }
    };
    let mut outcome = profile.bootstrap_report.subscribe();
    let docs = config.standalone.http.docs_enabled;
    let (mounted, is_up) = tokio::select! {
        biased;
        () = stop.requested() => return Ok(()),
        built = build(config, &contexts) => built?,
    };
    installation.settle(is_up)?;

    tokio::spawn(async move {
        welcome::ready(&address, docs);
        let outcome = outcome.wait_for(BootstrapOutcome::is_final).await;
        // An error means that the server stops before the administrator was made: the next start goes on.
        let Ok(outcome) = outcome.map(|o| o.clone()) else {
            return;
        };
        if let (Some(administrator), BootstrapOutcome::AlreadyMade) = (&administrator, &outcome) {
            administrator.discard();
        }
        welcome::administrator(&outcome, administrator.as_ref(), &address);
    });
    let outcome = Server::new(listening, mounted, clock, metrics)
        .run(stop.requested())
        .await;
    installation.gather();
    outcome
}

/// Migrates the databases.
///
/// # Errors
/// If one fails.
pub(crate) async fn migrate(mut config: Config) -> Result<(), StartError> {
    let installation = examine_folder(&config)?;
    begin(&mut config, &installation).await?;
    for service in &config.services {
        service.migrate().await?;
    }
    Ok(())
}

/// Shows what undoing a migration of the services `of`, or of all, runs; runs it if that is confirmed. Every file is
/// this process's alone before the first is changed. Neither makes nor checks an installation.
///
/// # Errors
/// Exit code 64 if it is not confirmed, or one version is named for several services; otherwise if one fails.
pub(crate) async fn revert(
    config: Config,
    arguments: &MigrateArguments,
    of: &[Service],
) -> Result<(), StartError> {
    let is_asked = |service| of.is_empty() || of.contains(&service);
    let asked = config.services.iter().filter(|one| is_asked(one.service()));
    let asked: Vec<_> = asked.collect();
    if arguments.version().is_some() && asked.len() > 1 {
        return Err(StartError::usage(
            "a version is one service's: name that with --of SERVICE",
        ));
    }
    let mut reverts = Vec::new();
    for service in asked {
        let revert = service.revert(arguments.clone()).await?;
        reverts.push((service.service(), revert));
    }
    carry_out(reverts, arguments.is_confirmed()).await
}

/// Runs a subcommand of auth's on its database here.
///
/// # Errors
/// Those of the command.
pub(crate) async fn run_auth(command: AuthCommand, mut config: Config) -> Result<(), StartError> {
    let (_, contexts) = prepare(&mut config).await?;
    AuthService::run_command(command, config.auth()?, contexts.of(Service::Auth)).await
}

/// Encrypts what the services have encrypted under older keys under the first of their rings.
///
/// # Errors
/// Those of a service's `rewrap`; what was done before stands, and the command can be repeated.
pub(crate) async fn rewrap(mut config: Config) -> Result<(), StartError> {
    let (mut installation, contexts) = prepare(&mut config).await?;
    for service in &config.services {
        service.rewrap(contexts.of(service.service())).await?;
    }
    // The list, too, is then under the first keys: the others may leave the ring.
    installation.settle(true)
}

/// Lets a suspended user log in again, by profile's command; auth and role are told by the running process.
///
/// # Errors
/// Those of the command.
pub(crate) async fn reactivate(identifier: String, mut config: Config) -> Result<(), StartError> {
    let command = ProfileCommand::reactivate(identifier);
    let context = prepare(&mut config).await?.1.of(Service::Profile);
    let profile = config.of::<ProfileService>()?.clone();
    ProfileService::run_command(command, profile, context).await
}

/// Gives an account a new password and lets it log in again, at profile and at auth.
///
/// # Errors
/// Those of the commands; what was done before stands, and the command can be repeated.
pub(crate) async fn reset(identifier: String, mut config: Config) -> Result<(), StartError> {
    auth_service::require_terminal()?;
    let (_, contexts) = prepare(&mut config).await?;
    let command = ProfileCommand::reactivate(identifier.clone());
    let profile = config.of::<ProfileService>()?.clone();
    ProfileService::run_command(command, profile, contexts.of(Service::Profile)).await?;
    let command = AuthCommand::reset(identifier, true);
    AuthService::run_command(command, config.auth()?, contexts.of(Service::Auth)).await
}

/// Makes an account an administrator, whatever its state, by the commands of the three services that have a part in it:
/// profile reactivates it, auth gives it a new password, role assigns `admin`.
///
/// # Errors
/// Those of the commands; what was done before stands, and the command can be repeated.
pub(crate) async fn grant(identifier: String, mut config: Config) -> Result<(), StartError> {
    // Before anything is changed: otherwise nobody sees the new password.
    auth_service::require_terminal()?;
    let (_, contexts) = prepare(&mut config).await?;
    let profile = config.of::<ProfileService>()?.clone();
    let context = contexts.of(Service::Profile);
    let user_id =
        user_profile_service::admin_reactivate(profile, &context, identifier.clone()).await?;
    let reset = AuthCommand::reset(identifier, true);
    AuthService::run_command(reset, config.auth()?, contexts.of(Service::Auth)).await?;
    let command = RoleCommand::grant(user_id);
    let role = config.of::<RoleService>()?.clone();
    RoleService::run_command(command, role, contexts.of(Service::Role)).await
}

/// The parts that a command needs of the installation and of the services, none of which it serves.
async fn prepare(config: &mut Config) -> Result<(Installation, Contexts), StartError> {
    let installation = examine_folder(config)?;
    begin(config, &installation).await?;
    let contexts = Contexts::new(config, Clock::system(), Metrics::new("standalone"));
    Ok((installation, contexts))
}

/// Builds all services; the guard of the first, which knows the signing keys, is everybody's. Returns also whether all
/// stores are up and every ring opened what they hold.
async fn build(config: Config, contexts: &Contexts) -> Result<(Vec<Mounted>, bool), StartError> {
    let mut mounted: Vec<Mounted> = Vec::new();
    for service in config.services {
        let context = contexts.of(service.service());
        let context = match mounted.first() {
            Some(first) => context.with_guard(&first.guard),
            None => context,
        };
        mounted.push(service.build(context).await?);
    }
    for service in &mounted {
        let operations = &contexts.operations;
        service.internal.offer_locally(service.service, operations);
    }
    for service in &mounted {
        if !service.readiness.is_up().await {
            return Ok((mounted, false));
        }
    }
    Ok((mounted, true))
}

/// What all services have in common: they call each other in the process.
struct Contexts {
    operations: LocalOperations,
    env: ud_config::AppEnv,
    tokens: ud_config::TokenConfig,
    clock: Clock,
    metrics: Metrics,
}

impl Contexts {
    fn new(config: &Config, clock: Clock, metrics: Metrics) -> Self {
        Self {
            operations: LocalOperations::new(&metrics),
            env: config.env,
            tokens: config.tokens.clone(),
            clock,
            metrics,
        }
    }

    fn of(&self, service: Service) -> ServiceContext {
        ServiceContext::in_process(
            service,
            self.env,
            &self.operations,
            self.tokens.clone(),
            self.clock.clone(),
            &self.metrics,
        )
    }
}

/// Checks that the installation has what it had, before anybody makes what is not there.
fn examine_folder(config: &Config) -> Result<Installation, StartError> {
    let folder = &config.standalone.data_dir;
    prepare_folder(folder)?;
    let kept = kept(config).map_err(StartError::config)?;
    Installation::examine(folder, kept)
}

/// Begins an installation where there is none. One whose signing keys are in a database elsewhere has lost its folder.
///
/// # Errors
/// Exit code 78, with the rings that are gone.
async fn begin(config: &mut Config, installation: &Installation) -> Result<(), StartError> {
    let gone = installation.first_rings();
    let auth = config.auth()?;
    let is_elsewhere = !auth.database.url.expose_secret().starts_with("sqlite:");
    if is_elsewhere && !gone.is_empty() && has_signing_keys(&auth).await? {
        let gone: Vec<_> = gone.iter().map(|path| path.display().to_string()).collect();
        return Err(StartError::config(format!(
            "{} is gone, and auth's database holds signing keys of an installation. Nothing was changed. Is the folder {} \
             mounted? Otherwise put back all its files, from a back-up of the same moment as the databases. To go on without \
             them, delete the rows of signing_keys in auth's database and of server_keys in profile's and audit's: \
             everybody logs in again (docs/RUNBOOK.md, \"A file of DATA_DIR is lost\")",
            gone.join(" and "),
            config.standalone.data_dir.display()
        )));
    }
    installation.begin()
}

/// `DATA_DIR` is its owner's alone (SECURITY rule 35).
fn prepare_folder(path: &Path) -> Result<(), StartError> {
    let failed = |e: io::Error| StartError::config(format!("DATA_DIR {}: {e}", path.display()));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)
}
