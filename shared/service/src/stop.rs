//! Background work, and how it ends.

use std::{future::Future, pin::Pin};

use tokio::sync::watch;

/// Background work that ends when the signal says so.
pub type Task = Box<dyn FnOnce(StopSignal) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Tells background tasks to end.
#[derive(Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Returns a signal and the sender that sets it off.
    #[must_use]
    pub fn pair() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns once the process is to stop.
    pub async fn stopped(&mut self) {
        // An error means the sender is gone: stopped too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
