//! A try is charged also if its request goes away.

use ud_db::DbConn;

use crate::{models::throttle::Attempt, state::AuthState};

/// A try that was counted and is looked at. If whoever asked goes away before that is done (a connection that is reset takes
/// its request along), its source is charged all the same: otherwise hashes would be free for those who do not wait for the
/// answer.
pub(crate) struct Hashing(Option<(AuthState, Attempt)>);

impl Hashing {
    /// Begins; ends by itself for tries with evidence, which are not counted for their source.
    pub(crate) fn begin(state: &AuthState, attempt: &Attempt) -> Self {
        let is_counted = attempt.evidence().is_none();
        Self(is_counted.then(|| (state.clone(), attempt.clone())))
    }

    /// The try was judged.
    pub(crate) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        let (Some((state, attempt)), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            let (throttle, now) = (state.throttle.clone(), state.clock.now());
            let failed = move |conn: &mut DbConn| throttle.fail(conn, &attempt, now);
            if let Err(error) = state.db.tx(failed).await {
                log::warn!("could not count a login try that was given up: {error}");
            }
        });
    }
}
