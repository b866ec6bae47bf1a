//! What a completed login leaves behind: counts settled, a device token, a known source. A login is completed after its last
//! factor, which today is the password. A second factor goes between [`super::password_check::check_password`] and this: a
//! right password without it forgets nothing and makes nothing known.

use ud_db::{DbConn, StoreError};
use ud_kernel::{Source, Timestamp, UserId};

use super::{
    credential_store, device_store,
    device_token::DeviceToken,
    error::AuthError,
    password_check::{Counted, RightPassword},
    place_store,
    places::PlaceNames,
    throttle::LoginThrottle,
    unlock_store,
};
use crate::state::AuthState;

/// How completing a login ended.
#[derive(Debug)]
pub enum Completion {
    /// The text of the device token.
    Done(String),
    /// The credential has changed since it was read.
    Changed,
    /// Somebody else used the unlock code meanwhile.
    CodeUsed,
}

/// Completes a login from `source` with one transaction. `device` is the device of an earlier round of the same login.
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
    let token = match right.device.or(*device) {
        Some(token) => token,
        None => DeviceToken::new(user_id, now)?,
    };
    *device = Some(token);
    let text = token
        .encode(&state.device_ring)
        .ok_or_else(|| AuthError::Internal("the id of a key is too long".to_owned()))?;
    let names = state.places.names(user_id, source);
    let counted = right.counted;
    let ended = state
        .db
        .tx(move |conn| {
            // Holds the row against whatever raises the epoch: that ends what is written here, or this is not written.
            if !credential_store::hold(conn, user_id, epoch)? {
                // The password was right all the same; a code went with the epoch.
                if let Some(Counted::Throttle(charge)) = &counted {
                    LoginThrottle::take_back(conn, charge)?;
                }
                return Ok::<_, StoreError>(Ended::Changed);
            }
            if !settle(conn, user_id, counted.as_ref())? {
                return Ok(Ended::CodeUsed);
            }
            leave_traces(conn, &token, epoch, &names, now)?;
            Ok(Ended::Done)
        })
        .await?;
    Ok(match ended {
        Ended::Done => Completion::Done(text),
        Ended::Changed => Completion::Changed,
        Ended::CodeUsed => Completion::CodeUsed,
    })
}

enum Ended {
    Done,
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
        Some(Counted::UnlockCode(hash)) => unlock_store::use_up(conn, user_id, hash),
    }
}

fn leave_traces(
    conn: &mut DbConn,
    token: &DeviceToken,
    epoch: i64,
    names: &PlaceNames,
    now: Timestamp,
) -> Result<(), StoreError> {
    device_store::put(conn, token, epoch, now)?;
    place_store::put(conn, token.user_id, epoch, names, now)
}
