//! The first administrator (SECURITY rule 13): an ordinary registration under one key for the whole
//! installation, then role makes the user an administrator, which it does only while none has ever existed.

use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use ud_kernel::{
    Clock, Code, EventId, UserId,
    models::{FirstAdministrator, Provenance},
    operation::CreateAdministrator,
};
use ud_peer::ServiceClient;
use ud_service::StopSignal;

use super::{
    ProfileError, RegistrationFlow,
    registration_flow::{Registration, RequestKey},
    user::{NewUser, RawUser},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whom to make the first administrator.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Email address to register.
    pub email: String,
    /// The account's password.
    pub password: SecretString,
}

/// How the making of the first administrator stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapOutcome {
    /// Nobody is to be made administrator.
    NotAsked,
    /// Not done yet; tried until it is.
    Waiting,
    /// Made now: the configured password is theirs.
    Created(UserId),
    /// Made at an earlier start, or the installation has another: the configuration is ignored.
    AlreadyMade,
    /// Will not be made; why, in words without personal data.
    Refused(String),
}

impl BootstrapOutcome {
    /// Whether it will not change any more.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting)
    }
}

/// Tells whoever started the service how the first administrator fares. Clones tell the same.
#[derive(Debug, Clone)]
pub struct BootstrapReport(watch::Sender<BootstrapOutcome>);

impl Default for BootstrapReport {
    fn default() -> Self {
        Self(watch::Sender::new(BootstrapOutcome::Waiting))
    }
}

impl BootstrapReport {
    /// Where to read it; `wait_for(BootstrapOutcome::is_final)` waits for the end.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<BootstrapOutcome> {
        self.0.subscribe()
    }

    pub(crate) fn tell(&self, outcome: BootstrapOutcome) {
        self.0.send_replace(outcome);
    }
}

/// Makes the first administrator.
pub struct BootstrapFlow {
    registration: RegistrationFlow,
    role: ServiceClient,
    clock: Clock,
    report: BootstrapReport,
}

impl BootstrapFlow {
    /// Registers through `registration`, asks `role`, and tells `report`.
    #[must_use]
    pub const fn new(
        registration: RegistrationFlow,
        role: ServiceClient,
        clock: Clock,
        report: BootstrapReport,
    ) -> Self {
        Self {
            registration,
            role,
            clock,
            report,
        }
    }

    /// Tries until it is done, refused for good, or `stop` says so.
    pub async fn run(self, bootstrap: Bootstrap, mut stop: StopSignal) {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            match self.attempt(&bootstrap).await {
                Ok(outcome) => {
                    log_outcome(&outcome);
                    self.report.tell(outcome);
                    return;
                }
                Err(error) => {
                    // At a common start the others come up in the same second: no alarm before they had time.
                    let level = if told || pause < Duration::from_secs(5) {
                        log::Level::Debug
                    } else {
                        told = true;
                        log::Level::Warn
                    };
                    log::log!(level, "the first administrator is not made yet: {error}");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.stopped() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One attempt. Every part of it can be repeated, also by another replica at the same time.
    ///
    /// # Errors
    /// [`ProfileError`] for what may pass.
    pub async fn attempt(&self, bootstrap: &Bootstrap) -> Result<BootstrapOutcome, ProfileError> {
        let origin = Provenance {
            request_id: EventId::new(self.clock.now()).to_string(),
            ..Provenance::default()
        };
        let raw = RawUser {
            email: &bootstrap.email,
            ..RawUser::default()
        };
        let user = match NewUser::new(raw) {
            Ok(user) => user,
            Err(errors) => return refused(&ProfileError::Invalid(errors)),
        };
        let registration = Registration {
            user,
            password: bootstrap.password.clone(),
            key: Some(RequestKey::FirstAdministrator),
            origin: origin.clone(),
        };
        let user = match self.registration.register(registration).await {
            Ok(user) => user,
            Err(ProfileError::KeyReused) => {
                log::warn!(
                    "BOOTSTRAP_ADMIN_EMAIL is not the address that was registered as first administrator; if that \
                     one was never made administrator, start once more with its address"
                );
                return Ok(BootstrapOutcome::AlreadyMade);
            }
            // The user was deleted since.
            Err(ProfileError::StatusConflict | ProfileError::NotFound) => {
                return Ok(BootstrapOutcome::AlreadyMade);
            }
            Err(
                error @ (ProfileError::EmailTaken
                | ProfileError::UsernameTaken
                | ProfileError::Invalid(_)),
            ) => return refused(&error),
            Err(error) => return Err(error),
        };
        let body = FirstAdministrator {
            user_id: user.id,
            origin: origin.clone(),
        };
        let answer = self.role.call::<CreateAdministrator>((), body).await;
        if answer.is_ok() {
            // Registered by a version that did not vouch for the address yet.
            self.registration.vouch(user.id, &origin).await?;
        }
        match answer {
            Ok(made) if made.is_new => Ok(BootstrapOutcome::Created(user.id)),
            Ok(_) => Ok(BootstrapOutcome::AlreadyMade),
            Err(error) if error.is(Code::ROLE_ADMINISTRATOR_EXISTS) => {
                Ok(BootstrapOutcome::AlreadyMade)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn refused(error: &ProfileError) -> Result<BootstrapOutcome, ProfileError> {
    let text = match error {
        ProfileError::EmailTaken | ProfileError::UsernameTaken => {
            "BOOTSTRAP_ADMIN_EMAIL belongs to an account that exists; such a one is never promoted"
                .to_owned()
        }
        ProfileError::Invalid(errors) => {
            let faults: Vec<String> = errors
                .iter()
                .map(|e| format!("{} {}", e.pointer, e.detail))
                .collect();
            format!(
                "BOOTSTRAP_ADMIN_EMAIL or BOOTSTRAP_ADMIN_PASSWORD is not acceptable: {}",
                faults.join("; ")
            )
        }
        other => other.to_string(),
    };
    Ok(BootstrapOutcome::Refused(text))
}

fn log_outcome(outcome: &BootstrapOutcome) {
    match outcome {
        BootstrapOutcome::Created(id) => {
            log::info!("the first administrator is made: user {id}; BOOTSTRAP_* can be removed");
        }
        BootstrapOutcome::AlreadyMade => {
            log::info!("BOOTSTRAP_* is ignored: the first administrator was made before");
        }
        BootstrapOutcome::Refused(why) => log::error!("no first administrator: {why}"),
        BootstrapOutcome::NotAsked | BootstrapOutcome::Waiting => {}
    }
}
