//! Background work of this service.

use std::time::Duration;

use tokio::time::sleep;
use ud_db::StoreError;
use ud_jwt::revocation::SessionChecker;
use ud_service::{StopSignal, Task};

use crate::{
    flows::signing_keys,
    models::{
        credential::identifier_store,
        device,
        error::AuthError,
        place,
        unlock::{self, store::CODE_LIFE},
    },
    state::AuthState,
};

/// How often keys made or revoked by other processes are looked for, and whether the next is due. One that was revoked
/// signs on for so long where no feed tells of it, and verifiers refuse what it signs.
const FOLLOW_KEYS: Duration = Duration::from_secs(1);
/// How often loading is tried while there are no keys yet.
const FIRST_KEYS: Duration = Duration::from_secs(1);
/// How often old rows are removed.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Loads the signing keys until that succeeds once, then follows what is in the database.
pub fn follow_keys(state: &AuthState, sessions: &SessionChecker) -> Task {
    let (keys, outbox) = (state.keys.clone(), state.outbox.clone());
    let sessions = sessions.clone();
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            let mut told = false;
            loop {
                let pause = if keys.get().is_ok() {
                    FOLLOW_KEYS
                } else {
                    FIRST_KEYS
                };
                tokio::select! {
                    () = sleep(pause) => {}
                    () = sessions.key_revoked() => {}
                    () = stop.stopped() => return,
                }
                match keys.load(keys.get().is_err()).await {
                    Ok(made) => {
                        told = false;
                        if made {
                            outbox.wake();
                        }
                    }
                    Err(error) if told => log::debug!("signing keys not loaded: {error}"),
                    Err(error) => {
                        tell_not_loaded(&error);
                        told = true;
                    }
                }
            }
        })
    })
}

/// A database that is away comes back; what does not open waits for somebody.
pub(crate) fn tell_not_loaded(error: &AuthError) {
    let waits = matches!(error, AuthError::Store(error) if error.is_temporary());
    let level = if waits {
        log::Level::Warn
    } else {
        log::Level::Error
    };
    log::log!(
        level,
        "signing keys not loaded, no other is made in their place, trying again: {error}"
    );
}

/// Removes login counts, devices, places and unlock codes whose time is over, names whose hold has run out, and keys that
/// verify nothing any more.
pub fn forget_old(state: &AuthState) -> Task {
    let state = state.clone();
    Box::new(move |mut stop: StopSignal| {
        Box::pin(async move {
            loop {
                tokio::select! {
                    () = sleep(FORGET_EVERY) => {}
                    () = stop.stopped() => return,
                }
                if let Err(error) = forget_once(&state).await {
                    log::warn!("old rows not removed: {error}");
                }
            }
        })
    })
}

/// One round of [`forget_old`].
///
/// # Errors
/// [`AuthError::Store`].
pub async fn forget_once(state: &AuthState) -> Result<(), AuthError> {
    let now = state.clock.now();
    let (throttle, latest) = (state.throttle.clone(), state.latest_time());
    state
        .db
        .tx(move |conn| {
            throttle.correct_future(conn, now)?;
            device::store::correct_future(conn, now, latest)?;
            place::store::correct_future(conn, now, latest)
        })
        .await?;
    loop {
        let throttle = state.throttle.clone();
        let removed = state
            .db
            .tx(move |conn| {
                let counts = throttle.forget_old(conn, now)?;
                let devices = device::store::forget_old(conn, now)?;
                let places = place::store::forget_old(conn, now)?;
                let codes = unlock::store::forget_old(conn, now, latest.plus(CODE_LIFE))?;
                let names = identifier_store::forget_released(conn, now)?;
                let keys = signing_keys::forget_gone(conn, now)?;
                Ok::<_, StoreError>(counts + devices + places + codes + names + keys)
            })
            .await?;
        if removed == 0 {
            break;
        }
    }
    Ok(())
}
