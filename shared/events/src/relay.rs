//! Takes events from the outbox to their destinations, each at its own pace.

use std::{collections::HashSet, future::Future, time::Duration};

use futures_util::future::{join, join_all};
use prometheus::{GaugeVec, IntCounterVec};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use ud_kernel::{Clock, Service};
use ud_telemetry::Metrics;

use crate::{
    Claimed, Destination, MAX_BATCH, Outbox, OutboxError, OutboxHandle, Postponed, SqlOutbox,
    Transport,
    backoff::{LONGEST_PARKING, park_delay, retry_pause},
};

/// How long a claim holds: longer than a send may take, so that nobody else takes what is being sent, and
/// short, so that what a killed process held goes out soon.
pub const LEASE: Duration = Duration::from_secs(10);
/// How far the clocks of replicas may be from each other before one takes what another has claimed.
const CLOCKS_APART: Duration = Duration::from_secs(5);
/// A claim that ends later than this from now was made by a clock that was ahead: it counts as ended.
pub const LONGEST_LEASE: Duration = LEASE.saturating_add(CLOCKS_APART);
/// The same of an event that was refused.
pub const LONGEST_WAIT: Duration = LONGEST_PARKING.saturating_add(CLOCKS_APART);
/// A send that takes longer has failed.
const SEND_DEADLINE: Duration = Duration::from_secs(5);
/// The outbox is looked at this often without being woken.
const POLL: Duration = Duration::from_secs(1);
/// Batch size while the destination fails: a batch too slow for the deadline must not be tried for ever.
const CAUTIOUS_BATCH: usize = 10;
/// What is left at a stop may go out within this time; the rest goes out at the next start.
const FAREWELL: Duration = Duration::from_secs(2);
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// What one [`Relay::step`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is due.
    Idle,
    /// A batch was answered: so many events were accepted, so many parked.
    Sent {
        /// Delivered for good.
        accepted: usize,
        /// Kept back, with what follows on their subjects.
        parked: usize,
    },
    /// The store or the destination failed; nothing is lost.
    Failed,
}

/// The relay of one service. Several replicas may run one each.
pub struct Relay<O, T> {
    destinations: Vec<Destination>,
    outbox: O,
    transport: T,
    clock: Clock,
    handle: OutboxHandle,
    sent: IntCounterVec,
    oldest: GaugeVec,
}

impl<T> Relay<SqlOutbox, T> {
    /// Adds a destination to the services that are told, which the transport reaches. The outbox in Redis removes an event
    /// when the services have it, and takes no further one.
    #[must_use]
    pub fn and_to(mut self, destination: Destination) -> Self {
        self.destinations.push(destination);
        self
    }
}

impl<O: Outbox, T: Transport> Relay<O, T> {
    /// A relay of `service`'s events, woken by `handle`.
    #[must_use]
    pub fn new(
        service: Service,
        outbox: O,
        transport: T,
        handle: OutboxHandle,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        Self {
            destinations: Destination::told_by(service),
            outbox,
            transport,
            clock,
            handle,
            sent: metrics.counter_vec(
                "event_outbox_sent_total",
                "Deliveries tried, by outcome: accepted, parked, failed.",
                &["destination", "outcome"],
            ),
            oldest: metrics.gauge_vec(
                "event_outbox_oldest_seconds",
                "Age of the oldest event the destination does not have; 0 if it has all.",
                &["destination"],
            ),
        }
    }

    /// Sends until `stop` completes, finishing the batch in flight. One loop per destination: none waits for
    /// another.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (sender, stopped) = watch::channel(false);
        let loops = self
            .destinations
            .iter()
            .copied()
            .map(|destination| self.serve(destination, stopped.clone()));
        let tidying = self.keep_tidy(stopped.clone());
        let stopping = async {
            stop.await;
            sender.send_replace(true);
        };
        join(stopping, join(join_all(loops), tidying)).await;
    }

    /// Claims one batch for `destination`, sends it, and notes what became of it: what [`Relay::run`] repeats.
    pub async fn step(&self, destination: Destination, max: usize) -> Step {
        let claimed = match self.outbox.claim(destination, max).await {
            Ok(claimed) if claimed.is_empty() => return Step::Idle,
            Ok(claimed) => claimed,
            Err(error) => return self.store_failed(destination, &error),
        };
        let sending = timeout(SEND_DEADLINE, self.transport.send(destination, &claimed));
        let failure = match sending.await {
            Ok(Ok(receipt)) => {
                let accepted: HashSet<_> = receipt.accepted.into_iter().collect();
                let (accepted, refused) = claimed
                    .into_iter()
                    .partition(|claimed| accepted.contains(&claimed.id));
                return match self.settle(destination, accepted, refused).await {
                    Ok(step) => step,
                    Err(error) => self.store_failed(destination, &error),
                };
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", SEND_DEADLINE.as_secs()),
        };
        log::debug!("events for {destination} not delivered: {failure}");
        self.count(destination, "failed", claimed.len());
        let now = self.clock.now();
        // If this fails too, the lease runs out instead.
        let _ = self
            .outbox
            .postpone(destination, &claimed, now, Postponed::Unreachable)
            .await;
        Step::Failed
    }

    async fn settle(
        &self,
        destination: Destination,
        accepted: Vec<Claimed>,
        refused: Vec<Claimed>,
    ) -> Result<Step, OutboxError> {
        if !accepted.is_empty() {
            self.outbox.delivered(destination, &accepted).await?;
            self.count(destination, "accepted", accepted.len());
        }
        for claimed in &refused {
            let until = self.clock.now().plus(park_delay(claimed.attempts));
            let (id, kind, attempts) = (claimed.id, &claimed.kind, claimed.attempts);
            log::warn!(
                "{destination} refuses event {id} ({kind}), attempt {attempts}; next at {until}"
            );
            let one = std::slice::from_ref(claimed);
            self.outbox
                .postpone(destination, one, until, Postponed::Parked)
                .await?;
            self.count(destination, "parked", 1);
        }
        Ok(Step::Sent {
            accepted: accepted.len(),
            parked: refused.len(),
        })
    }

    async fn serve(&self, destination: Destination, mut stopped: watch::Receiver<bool>) {
        let mut woken = self.handle.subscribe();
        let mut failures = 0_u32;
        let mut measured: Option<Instant> = None;
        while !*stopped.borrow() {
            // Before the claim: what is committed during it wakes the loop again.
            woken.mark_unchanged();
            let max = if failures == 0 {
                MAX_BATCH
            } else {
                CAUTIOUS_BATCH
            };
            let step = self.step(destination, max).await;
            if measured.is_none_or(|at| at.elapsed() >= POLL) {
                self.measure(destination).await;
                measured = Some(Instant::now());
            }
            failures = self.tell(destination, step, failures);
            match step {
                Step::Sent { .. } => {}
                Step::Idle => tokio::select! {
                    _ = woken.changed() => {}
                    () = sleep(POLL) => {}
                    _ = stopped.changed() => {}
                },
                // Not to be woken: every commit would knock at a closed door.
                Step::Failed => tokio::select! {
                    () = sleep(retry_pause(failures)) => {}
                    _ = stopped.changed() => {}
                },
            }
        }
        if failures == 0 {
            let farewell = async {
                while matches!(self.step(destination, MAX_BATCH).await, Step::Sent { .. }) {}
            };
            let _ = timeout(FAREWELL, farewell).await;
        }
    }

    /// Counts failures in a row; logs the first, each sixtieth, and the end of them.
    fn tell(&self, destination: Destination, step: Step, failures: u32) -> u32 {
        if step != Step::Failed {
            if failures > 0 {
                log::info!("events reach {destination} again");
            }
            return 0;
        }
        let failures = failures.saturating_add(1);
        if failures % 60 == 1 {
            log::warn!(
                "events do not reach {destination}, attempt {failures}; they wait in the outbox"
            );
        }
        failures
    }

    async fn measure(&self, destination: Destination) {
        if let Ok(oldest) = self.outbox.oldest(destination).await {
            let age = oldest.map_or(Duration::ZERO, |at| self.clock.now().since(at));
            self.oldest
                .with_label_values(&[destination.as_str()])
                .set(age.as_secs_f64());
        }
    }

    async fn keep_tidy(&self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            if let Err(error) = self.outbox.tidy().await {
                log::debug!("not tidied: {error}");
            }
            tokio::select! {
                () = sleep(TIDY_EVERY) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    fn store_failed(&self, destination: Destination, error: &OutboxError) -> Step {
        log::warn!("relay to {destination}: {error}");
        Step::Failed
    }

    fn count(&self, destination: Destination, outcome: &str, by: usize) {
        let by = u64::try_from(by).unwrap_or(u64::MAX);
        self.sent
            .with_label_values(&[destination.as_str(), outcome])
            .inc_by(by);
    }
}
