//! This module completes a login: it settles counts, issues a device token and remembers the source. It does so after the
//! last factor, which today is the password. A second factor goes between [`super::check_password::check_password`] and
//! this: a right password without it forgets nothing and makes nothing known.

use ud_db::{DbConn, StoreError};
use ud_kernel::{Source, Timestamp, UserId};

use super::check_password::{Counted, RightPassword};
use crate::{
    models::{
        credential,
        device::{
            self,
            token::{DeviceId, DeviceToken},
        },
        error::AuthError,
        place::{self, PlaceNames},
        throttle::LoginThrottle,
        unlock,
    },
    state::AuthState,
};

/// What a completed login has left in the database, until it is known whether it has a session.
pub struct Traces {
    /// The text of the device token.
    pub device_token: String,
    user_id: UserId,
    /// The device, if this login made it.
    made: Option<DeviceId>,
    /// Whether the user has more devices than are kept.
    is_crowded: bool,
}

/// How completing a login ended.
pub enum Completion {
    /// As it should.
    Done(Traces),
    /// The credential has changed since it was read.
    Changed,
    /// Somebody else used the unlock code meanwhile.
    CodeUsed,
}

/// Completes a login from `source` with one transaction. `device` is the device that an earlier round of the same login
/// made.
///
/// A device token that is good stays as it is, and lasts 180 days from now; otherwise there is a new device.
///
/// # Errors
/// [`AuthError::Store`]; [`AuthError::Internal`] without random bytes.
pub async fn complete_login(
    state: &AuthState,
    right: RightPassword,
    source: Source,
    device: &mut Option<DeviceToken>,
) -> Result<Completion, AuthError> {
    let (user_id, epoch) = (right.credential.user_id, right.credential.epoch);
    let now = state.clock.now();
    // What a request brought counts in the round that found it good, and not after what ended it meanwhile.
    let token = match (right.device, *device) {
        (Some(token), _) => token,
        (None, Some(made)) => made,
        (None, None) => {
            let made = DeviceToken::new(user_id, now)?;
            *device = Some(made);
            made
        }
    };
    let text = token
        .encode(&state.device_ring)
        .ok_or_else(|| AuthError::Internal("the id of a key is too long".to_owned()))?;
    let names = state.places.names(user_id, source);
    let counted = right.counted;
    let made = (right.device.is_none()).then_some(token.device_id);
    let ended = state
        .db
        .tx(move |conn| {
            // Holds the row against whatever raises the epoch: that ends what is written here, or this is not written.
            if !credential::store::hold(conn, user_id, epoch)? {
                // The password was right all the same; a code went with the epoch.
                if let Some(Counted::Throttle(charge)) = &counted {
                    LoginThrottle::refund(conn, charge)?;
                }
                return Ok::<_, StoreError>(Ended::Changed);
            }
            if !settle(conn, user_id, counted.as_ref())? {
                return Ok(Ended::CodeUsed);
            }
            let is_crowded = leave_traces(conn, &token, epoch, &names, now)?;
            Ok(Ended::Done { is_crowded })
        })
        .await?;
    Ok(match ended {
        Ended::Done { is_crowded } => Completion::Done(Traces {
            device_token: text,
            user_id,
            made,
            is_crowded,
        }),
        Ended::Changed => Completion::Changed,
        Ended::CodeUsed => Completion::CodeUsed,
    })
}

impl Traces {
    /// The login has its session: devices beyond those that are kept go. If that fails, the next login does it.
    pub async fn keep(self, state: &AuthState) -> String {
        let user_id = self.user_id;
        if self.is_crowded {
            let remove = move |conn: &mut DbConn| device::store::remove_oldest(conn, user_id);
            if let Err(error) = state.db.tx(remove).await {
                log::warn!("could not remove the oldest devices of user {user_id}: {error}");
            }
        }
        self.device_token
    }

    /// The login came to no session, so nobody gets the token: a device that it made goes again.
    pub async fn undo(self, state: &AuthState) {
        let Some(device) = self.made else { return };
        let remove = move |conn: &mut DbConn| device::store::remove_one(conn, device);
        if let Err(error) = state.db.tx(remove).await {
            log::warn!("a device without a session stays until it is forgotten: {error}");
        }
    }
}

enum Ended {
    Done { is_crowded: bool },
    Changed,
    CodeUsed,
}

/// Settles what a right password counted where no login is completed: the owner was logged in already.
///
/// # Errors
/// [`AuthError::Store`].
pub async fn settle_only(state: &AuthState, right: &mut RightPassword) -> Result<(), AuthError> {
    let user_id = right.credential.user_id;
    if let Some(counted) = right.counted.take() {
        state
            .db
            .tx(move |conn| settle(conn, user_id, Some(&counted)))
            .await?;
    }
    Ok(())
}

/// False if the unlock code was used by somebody else.
fn settle(
    conn: &mut DbConn,
    user_id: UserId,
    counted: Option<&Counted>,
) -> Result<bool, StoreError> {
    match counted {
        None => Ok(true),
        Some(Counted::Throttle(charge)) => {
            LoginThrottle::settle(conn, charge)?;
            Ok(true)
        }
        Some(Counted::UnlockCode(hash)) => unlock::store::use_up(conn, user_id, hash),
    }
}

fn leave_traces(
    conn: &mut DbConn,
    token: &DeviceToken,
    epoch: i64,
    names: &PlaceNames,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_crowded = device::store::put(conn, token, epoch, now)?;
    place::store::put(conn, token.user_id, epoch, names, now)?;
    Ok(is_crowded)
}
