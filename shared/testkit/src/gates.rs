//! Holds a flow at the named points of `ud_kernel::Failpoints`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use ud_kernel::Failpoints;

/// How long a flow may take to a point.
const PATIENCE: Duration = Duration::from_secs(30);

/// The named points of one application. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    held: HashMap<&'static str, mpsc::UnboundedSender<Arrival>>,
    held_anywhere: Option<mpsc::UnboundedSender<Arrival>>,
    passed: Vec<&'static str>,
}

/// Holds whoever comes to one point, or to any, until released; open again when dropped.
#[derive(Debug)]
pub struct Gate {
    name: &'static str,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
}

/// A flow that stands at a point. Goes on when this is dropped.
#[derive(Debug)]
pub struct Arrival {
    name: &'static str,
    release: Option<oneshot::Sender<()>>,
}

impl Gates {
    /// Gates that are all open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what the application gets as its failpoints.
    #[must_use]
    pub fn failpoints(&self) -> Failpoints {
        let gates = self.clone();
        Failpoints::with_hook(move |name| {
            let released = gates.arrive(name);
            async move {
                let Some(released) = released else { return };
                // An abandoned arrival answers with an error: the flow has died at this point.
                if released.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
    }

    /// From now on holds every flow that comes to the point `name`.
    #[must_use]
    pub fn hold_at(&self, name: &'static str) -> Gate {
        let (sender, arrivals) = mpsc::unbounded_channel();
        self.lock().held.insert(name, sender);
        Gate { name, arrivals }
    }

    /// From now on holds every flow at every point that has no gate of its own.
    #[must_use]
    pub fn hold_everywhere(&self) -> Gate {
        let (sender, arrivals) = mpsc::unbounded_channel();
        self.lock().held_anywhere = Some(sender);
        Gate {
            name: "any point",
            arrivals,
        }
    }

    /// The points that flows came to so far, in order.
    #[must_use]
    pub fn passed(&self) -> Vec<&'static str> {
        self.lock().passed.clone()
    }

    /// Notes the arrival; what to wait for, if somebody holds this point.
    fn arrive(&self, name: &'static str) -> Option<oneshot::Receiver<()>> {
        let mut inner = self.lock();
        inner.passed.push(name);
        let gate = inner.held.get(name).filter(|gate| !gate.is_closed());
        let gate = gate.or(inner.held_anywhere.as_ref())?;
        let (release, released) = oneshot::channel();
        let arrival = Arrival {
            name,
            release: Some(release),
        };
        gate.send(arrival).is_ok().then_some(released)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic under this lock")
    }
}

impl Gate {
    /// Waits until the next flow stands here.
    ///
    /// # Panics
    /// If none comes within 30 seconds.
    pub async fn arrived(&mut self) -> Arrival {
        let arrival = timeout(PATIENCE, self.arrivals.recv()).await;
        match arrival {
            Ok(Some(arrival)) => arrival,
            _ => panic!("no flow came to {}", self.name),
        }
    }

    /// The flow that stands here already, if one does.
    #[must_use]
    pub fn try_arrived(&mut self) -> Option<Arrival> {
        self.arrivals.try_recv().ok()
    }
}

impl Arrival {
    /// The point's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Lets the flow go on.
    pub fn release(self) {
        drop(self);
    }

    /// The flow never goes on: as if its process had died here.
    pub fn abandon(mut self) {
        drop(self.release.take());
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            let _ = release.send(());
        }
    }
}
