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

/// Runs both. At a stop `last` is told when `first` has ended: what that leaves, it still works on. A panic in `first` does not
/// end `last`.
#[must_use]
pub fn stop_in_order(first: Task, last: Task) -> Task {
    Box::new(move |mut stop| {
        Box::pin(async move {
            let (sender, signal) = StopSignal::pair();
            let first = tokio::spawn(first(stop.clone()));
            let in_order = async {
                // A panic has been logged where it happened.
                let _ = first.await;
                stop.stopped().await;
                sender.send_replace(true);
            };
            tokio::join!(in_order, last(signal));
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_the_first_does_not_end_the_last() {
        let (stop, signal) = StopSignal::pair();
        let (tell, told) = tokio::sync::oneshot::channel();
        let first: Task = Box::new(|_| Box::pin(async { panic!("first") }));
        let last: Task = Box::new(|mut signal| {
            Box::pin(async move {
                signal.stopped().await;
                tell.send(()).unwrap();
            })
        });
        let task = tokio::spawn(stop_in_order(first, last)(signal));
        stop.send_replace(true);
        assert!(task.await.is_ok());
        assert_eq!(told.await, Ok(()));
    }
}
