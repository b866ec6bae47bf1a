//! Builds the five services and serves them.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use auth_service::{AuthCommand, AuthService};
use role_service::{RoleCommand, RoleService};
use secrecy::ExposeSecret as _;
use session_service::{SessionService, config::StoreConfig};
use ud_config::PeersConfig;
use ud_http::{
    Base, Identity, Listening, Mounted, ResealCommand, Server, ServiceBinary, StartError,
    StopSignals, raise_descriptor_limit,
};
use ud_jwt::{
    JwkSet,
    service::{IdentityKey, Peers},
};
use ud_kernel::{Clock, Service};
use ud_telemetry::Metrics;
use user_audit_service::AuditService;
use user_profile_service::{BootstrapOutcome, ProfileCommand, ProfileService};

use crate::{administrator::Administrator, config::Config, installation::Installation, welcome};

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
    let bases = Bases::new(&config, &listening, clock.clone(), metrics.clone())?;

    let administrator = match config.profile.bootstrap {
        Some(_) => None,
        None => {
            let email = config.administrator.take();
            let made = Administrator::prepare(&config.standalone.data_dir, email)?;
            config.profile.bootstrap = Some(made.bootstrap.clone());
            Some(made)
        }
    };
    let mut outcome = config.profile.bootstrap_report.subscribe();
    let docs = config.standalone.http.docs_enabled;
    // While it is still looking for what it needs it ends at once.
    let mounted = tokio::select! {
        biased;
        () = stop.requested() => return Ok(()),
        mounted = build(config, &bases) => mounted?,
    };
    installation.settle()?;

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

/// Migrates the five databases, or undoes the last migration of each.
///
/// # Errors
/// If one fails.
pub(crate) async fn migrate(config: Config, revert: bool) -> Result<(), StartError> {
    let bases = bases(&config)?;
    AuthService::migrate(config.auth, bases.of(Service::Auth)?, revert).await?;
    RoleService::migrate(config.role, bases.of(Service::Role)?, revert).await?;
    SessionService::migrate(config.session, bases.of(Service::Session)?, revert).await?;
    AuditService::migrate(config.audit, bases.of(Service::Audit)?, revert).await?;
    ProfileService::migrate(config.profile, bases.of(Service::Profile)?, revert).await
}

/// Runs a subcommand of auth's on its database here; `reseal` on those of all services that keep something sealed.
///
/// # Errors
/// Those of the command.
pub(crate) async fn run_auth(command: AuthCommand, config: Config) -> Result<(), StartError> {
    let bases = bases(&config)?;
    if matches!(command, AuthCommand::Reseal) {
        let (audit, profile) = (bases.of(Service::Audit)?, bases.of(Service::Profile)?);
        AuditService::run_command(ResealCommand::Reseal, config.audit, audit).await?;
        ProfileService::run_command(ProfileCommand::Reseal, config.profile, profile).await?;
    }
    AuthService::run_command(command, config.auth, bases.of(Service::Auth)?).await
}

/// Lets a suspended user log in again, by profile's command; auth and role are told by the running process.
///
/// # Errors
/// Those of the command.
pub(crate) async fn reactivate(identifier: String, config: Config) -> Result<(), StartError> {
    let command = ProfileCommand::reactivate(identifier);
    let base = bases(&config)?.of(Service::Profile)?;
    ProfileService::run_command(command, config.profile, base).await
}

/// Gives an account a new password and lets it log in again, at profile and at auth.
///
/// # Errors
/// Those of the commands; what was done before stands, and the command can be repeated.
pub(crate) async fn reset(identifier: String, config: Config) -> Result<(), StartError> {
    auth_service::require_terminal()?;
    let bases = bases(&config)?;
    let profile = bases.of(Service::Profile)?;
    let command = ProfileCommand::reactivate(identifier.clone());
    ProfileService::run_command(command, config.profile, profile).await?;
    let command = AuthCommand::reset(identifier, true);
    AuthService::run_command(command, config.auth, bases.of(Service::Auth)?).await
}

/// Makes an account an administrator, whatever its state, by the commands of the three services that have a part in it:
/// profile reactivates it, auth gives it a new password, role assigns `admin`.
///
/// # Errors
/// Those of the commands; what was done before stands, and the command can be repeated.
pub(crate) async fn grant(identifier: String, config: Config) -> Result<(), StartError> {
    // Before anything is changed: otherwise nobody sees the new password.
    auth_service::require_terminal()?;
    let bases = bases(&config)?;
    let profile = bases.of(Service::Profile)?;
    let user_id =
        user_profile_service::admin_reactivate(config.profile, &profile, identifier.clone())
            .await?;
    let reset = AuthCommand::reset(identifier, true);
    AuthService::run_command(reset, config.auth, bases.of(Service::Auth)?).await?;
    let command = RoleCommand::grant(user_id);
    RoleService::run_command(command, config.role, bases.of(Service::Role)?).await
}

/// What a command needs of the services, none of which it serves.
fn bases(config: &Config) -> Result<Bases, StartError> {
    examine_folder(config)?;
    let listening = Listening::bind(&ud_config::HttpConfig::default())?;
    let metrics = Metrics::new("standalone");
    Bases::new(config, &listening, Clock::system(), metrics)
}

/// Auth first: its guard, which knows the signing keys, is everybody's.
async fn build(config: Config, bases: &Bases) -> Result<Vec<Mounted>, StartError> {
    let auth = AuthService::build(config.auth, bases.of(Service::Auth)?).await?;
    let guarded = |service| bases.of(service).map(|base| base.with_guard(&auth.guard));
    let role = RoleService::build(config.role, guarded(Service::Role)?).await?;
    let session = SessionService::build(config.session, guarded(Service::Session)?).await?;
    let audit = AuditService::build(config.audit, guarded(Service::Audit)?).await?;
    let profile = ProfileService::build(config.profile, guarded(Service::Profile)?).await?;
    Ok(vec![auth, role, session, audit, profile])
}

/// The common ground of the five: identities made anew at each start, since nobody outside needs to know them.
struct Bases {
    peers: PeersConfig,
    identities: Vec<Identity>,
    env: ud_config::AppEnv,
    tokens: ud_config::TokenConfig,
    clock: Clock,
    metrics: Metrics,
}

impl Bases {
    fn new(
        config: &Config,
        listening: &Listening,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, StartError> {
        let internal = listening.internal_addr()?;
        let mut peers = PeersConfig::default();
        for service in Service::ALL {
            let url = format!("http://{internal}/{service}");
            peers.set(service, url.parse().map_err(StartError::internal)?);
        }
        let keys = Service::ALL
            .into_iter()
            .map(IdentityKey::generate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(StartError::internal)?;
        let public: JwkSet = keys.iter().map(IdentityKey::public_jwk).collect();
        let public = serde_json::to_vec(&public).map_err(StartError::internal)?;
        let identities = keys
            .into_iter()
            .map(|key| {
                let callers = Peers::from_jwks(&public).map_err(StartError::internal)?;
                Identity::new(key, callers, &clock)
            })
            .collect::<Result<_, _>>()?;
        let (env, tokens) = (config.env, config.tokens.clone());
        Ok(Self {
            peers,
            identities,
            env,
            tokens,
            clock,
            metrics,
        })
    }

    fn of(&self, service: Service) -> Result<Base, StartError> {
        let position = Service::ALL.iter().position(|s| *s == service);
        let identity = position
            .and_then(|i| self.identities.get(i))
            .ok_or_else(|| StartError::internal("a service without identity"))?;
        let mut base = Base::new(
            service,
            self.env,
            identity.clone(),
            self.peers.clone(),
            self.tokens.clone(),
            self.clock.clone(),
            &self.metrics,
        )?;
        base.standalone = true;
        Ok(base)
    }
}

/// Checks that `DATA_DIR` has what it had, before anybody makes what is not there.
fn examine_folder(config: &Config) -> Result<Installation, StartError> {
    let folder = &config.standalone.data_dir;
    prepare_folder(folder)?;
    let (auth, session) = (&config.auth, &config.session);
    let databases = [
        Some(&auth.database),
        Some(&config.role.database),
        Some(&config.audit.database),
        Some(&config.profile.database),
        match &session.store {
            StoreConfig::Sqlite(database) => Some(database),
            StoreConfig::Redis(_) => None,
        },
    ];
    let files = databases.into_iter().flatten().filter_map(|database| {
        let file = database.url.expose_secret().strip_prefix("sqlite://")?;
        let name = Path::new(file).strip_prefix(folder).ok()?;
        Some(name.to_str()?.to_owned())
    });
    let rings = [
        (auth.sealing.key_encryption.is_none(), "keys/key-encryption"),
        (auth.signing.refresh_tokens.is_none(), "keys/refresh-token"),
    ];
    let rings = rings.into_iter().filter(|(is_file, _)| *is_file);
    let expected: Vec<_> = files
        .chain(rings.map(|(_, name)| name.to_owned()))
        .collect();
    Installation::examine(folder, &expected)
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
