//! All SQL about devices that users logged in from.

use std::time::Duration;

use diesel::prelude::*;
use ud_db::{DbConn, StoreError, sql::Bind};
use ud_kernel::{Timestamp, UserId};

use super::token::{DeviceId, DeviceToken};
use crate::models::schema::devices;

/// A device token is evidence for this long after the last login with it.
pub const DEVICE_LIFE: Duration = Duration::from_secs(180 * 24 * 3600);
/// Devices of one user; of more, the ones used longest ago are removed.
pub const MAX_DEVICES: i64 = 20;
/// Rows removed in one go.
const FORGET_AT_ONCE: i64 = 1000;

/// Returns the epoch of the device that `token` is about, if the token is the one last given for it, and not too old.
///
/// # Errors
/// [`StoreError`].
pub fn epoch_of(
    conn: &mut DbConn,
    token: &DeviceToken,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let found = devices::table
        .find(Bind(token.device_id))
        .filter(devices::user_id.eq(Bind(token.user_id)))
        .filter(devices::counter.eq(token.counter))
        .filter(devices::nonce_hash.eq(token.nonce.hash()))
        .filter(devices::used_at.gt(Bind(now.minus(DEVICE_LIFE))))
        .select(devices::epoch)
        .first(conn)
        .optional()?;
    Ok(found)
}

/// Stores that a login with `epoch` came from the device of `token`. Returns whether the user has more than
/// [`MAX_DEVICES`] now: [`remove_oldest`] ends the others when the login has succeeded.
///
/// # Errors
/// [`StoreError`].
pub fn put(
    conn: &mut DbConn,
    token: &DeviceToken,
    epoch: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = diesel::update(devices::table.find(Bind(token.device_id)))
        .filter(devices::user_id.eq(Bind(token.user_id)))
        .set((
            devices::epoch.eq(epoch),
            devices::counter.eq(token.counter),
            devices::nonce_hash.eq(token.nonce.hash()),
            devices::used_at.eq(Bind(now)),
        ))
        .execute(conn)?;
    if rows == 1 {
        return Ok(false);
    }
    diesel::insert_into(devices::table)
        .values((
            devices::device_id.eq(Bind(token.device_id)),
            devices::user_id.eq(Bind(token.user_id)),
            devices::epoch.eq(epoch),
            devices::counter.eq(token.counter),
            devices::nonce_hash.eq(token.nonce.hash()),
            devices::used_at.eq(Bind(now)),
        ))
        .execute(conn)
        .map_err(|error| StoreError::from(error).or_again())?;
    let all = devices::table
        .filter(devices::user_id.eq(Bind(token.user_id)))
        .count()
        .get_result::<i64>(conn)?;
    Ok(all > MAX_DEVICES)
}

/// Removes one device.
///
/// # Errors
/// [`StoreError`].
pub fn remove_one(conn: &mut DbConn, device_id: DeviceId) -> Result<(), StoreError> {
    diesel::delete(devices::table.find(Bind(device_id))).execute(conn)?;
    Ok(())
}

/// Removes the devices of a user that were used longest ago, of more than [`MAX_DEVICES`].
///
/// # Errors
/// [`StoreError`].
pub fn remove_oldest(conn: &mut DbConn, user_id: UserId) -> Result<(), StoreError> {
    let all = devices::table
        .filter(devices::user_id.eq(Bind(user_id)))
        .order((devices::used_at.desc(), devices::device_id.desc()))
        .select(devices::device_id)
        .load::<DeviceId>(conn)?;
    let kept = usize::try_from(MAX_DEVICES).unwrap_or(usize::MAX);
    let old: Vec<_> = all.into_iter().skip(kept).map(Bind).collect();
    if !old.is_empty() {
        diesel::delete(devices::table.filter(devices::device_id.eq_any(old))).execute(conn)?;
    }
    Ok(())
}

/// Removes every device of `users`.
///
/// # Errors
/// [`StoreError`].
pub fn remove(conn: &mut DbConn, users: &[UserId]) -> Result<(), StoreError> {
    let users = users.iter().copied().map(Bind);
    diesel::delete(devices::table.filter(devices::user_id.eq_any(users))).execute(conn)?;
    Ok(())
}

/// Removes devices whose tokens are evidence no more; returns how many.
///
/// # Errors
/// [`StoreError`].
pub fn forget_old(conn: &mut DbConn, now: Timestamp) -> Result<usize, StoreError> {
    let limit = now.minus(DEVICE_LIFE);
    let old = devices::table
        .filter(devices::used_at.le(Bind(limit)))
        .select(devices::device_id)
        .limit(FORGET_AT_ONCE)
        .load::<DeviceId>(conn)?;
    let rows = diesel::delete(devices::table)
        .filter(devices::device_id.eq_any(old.into_iter().map(Bind)))
        .filter(devices::used_at.le(Bind(limit)))
        .execute(conn)?;
    Ok(rows)
}

/// Sets devices used later than `latest` to have been used `now`: the clock that wrote them was ahead.
///
/// # Errors
/// [`StoreError`].
pub fn correct_future(
    conn: &mut DbConn,
    now: Timestamp,
    latest: Timestamp,
) -> Result<(), StoreError> {
    diesel::update(devices::table.filter(devices::used_at.gt(Bind(latest))))
        .set(devices::used_at.eq(Bind(now)))
        .execute(conn)?;
    Ok(())
}
