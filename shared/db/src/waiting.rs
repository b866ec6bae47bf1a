//! Tries to migrate until that is done or found needless, and tells how it goes.

use std::{future::Future, time::Duration};

use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use ud_kernel::Service;

use crate::{DbError, StoreError};

/// Pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A failure that stays the same is told again after this.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// A try that has not ended after this gets another beside it: its server may stand still for ever, and have a successor.
/// The migrations' lock keeps them apart.
const TRY_LIMIT: Duration = Duration::from_secs(30);
/// Most tries at a time.
const TRIES: usize = 4;

/// Migrates for a service.
pub(crate) trait Work: Clone + Send + Sync + 'static {
    /// Returns the service whose database it is.
    fn service(&self) -> Service;
    /// Tries once to migrate.
    fn migrate(&self) -> impl Future<Output = Result<(), DbError>> + Send;
    /// Returns whether the database answers calls as they come from requests, and no migration is pending.
    fn is_current(&self) -> impl Future<Output = bool> + Send;
    /// Ends the refusal of calls.
    fn serve(&self);
}

/// Tries until a try succeeds or no migration is pending, and then serves. What the first try came to goes to `first`,
/// while somebody listens there: a server that is away or refuses us is no error; any other failure is theirs, and ends
/// this.
pub(crate) async fn until_migrated<W: Work>(work: W, first: oneshot::Sender<Result<(), DbError>>) {
    let service = work.service();
    let mut first = Some(first);
    let mut told = Told(None);
    let mut tries = JoinSet::new();
    loop {
        if tries.len() < TRIES {
            let work = work.clone();
            tries.spawn(async move { work.migrate().await });
        }
        let error = match timeout(TRY_LIMIT, tries.join_next()).await {
            Ok(Some(Ok(Ok(())))) => {
                if first.is_none() {
                    log::info!("database of {service}: no migration is pending");
                }
                break;
            }
            Ok(Some(Ok(Err(error)))) => error,
            Ok(Some(Err(panicked))) => DbError::Migration(panicked.to_string()),
            Ok(None) | Err(_) => StoreError::Timeout("a try has gone on for 30 seconds").into(),
        };
        if error.is_temporary()
            && let Some(first) = first.take()
        {
            // Nobody listens after a while; nothing is lost by it.
            let _ = first.send(Ok(()));
        }
        if first.is_none() {
            told.tell(service, &error);
        }
        if work.is_current().await {
            log::error!(
                "{service} serves, since no migration is pending; it could run none: {error}"
            );
            break;
        }
        if let Some(first) = first.take() {
            match first.send(Err(error)) {
                Ok(()) => return,
                Err(unheard) => {
                    if let Err(error) = unheard {
                        told.tell(service, &error);
                    }
                }
            }
        }
        sleep(AGAIN_AFTER).await;
    }
    work.serve();
    if let Some(first) = first {
        let _ = first.send(Ok(()));
    }
}

/// The failure that was told last, and when.
struct Told(Option<(String, Instant)>);

impl Told {
    /// Tells of `error`, unless that was told less than a minute ago and nothing else since.
    fn tell(&mut self, service: Service, error: &DbError) {
        let text = error.to_string();
        let is_known =
            |(known, at): &(String, Instant)| *known == text && at.elapsed() < TOLD_EVERY;
        if self.0.as_ref().is_some_and(is_known) {
            return;
        }
        match error {
            DbError::Refused(text) => log::error!(
                "the database refuses {service} (user, password, name of the database, or its TLS): {text}. Answering \
                 503 and trying again every second until it is mended there or here"
            ),
            error if error.is_temporary() => log::warn!(
                "waiting for the database of {service}, to migrate it: {text}. Answering 503 until then"
            ),
            _ => log::error!(
                "the database of {service} cannot be migrated: {text}. Answering 503 and trying again every second"
            ),
        }
        self.0 = Some((text, Instant::now()));
    }
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
