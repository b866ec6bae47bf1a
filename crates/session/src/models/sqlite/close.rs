//! Ending sessions in the SQLite store.

use ud_db::DbConn;

use super::tables::{end, living, load, raise_min_epoch, save};
use crate::models::{
    error::SessionError,
    session::CLOCKS_APART,
    session_store::{CloseOrder, Closing},
};

/// Whether `order` is about one session that lives no more, or is another user's: then there is nothing to write.
///
/// # Errors
/// If the store fails.
pub(super) fn is_closed_already(
    conn: &mut DbConn,
    order: &CloseOrder,
) -> Result<bool, SessionError> {
    let Closing::One(id) = order.closing else {
        return Ok(false);
    };
    let alive_at = order.now.minus(CLOCKS_APART);
    let found = load(conn, id)?;
    Ok(found.is_none_or(|s| s.user_id != order.user_id || !s.is_alive(alive_at)))
}

/// Ends what `order` asks to end. Returns how many were living.
///
/// # Errors
/// If the store fails.
pub(super) fn close(conn: &mut DbConn, order: &CloseOrder) -> Result<u32, SessionError> {
    // What has ended by this clock may live by auth's.
    let alive_at = order.now.minus(CLOCKS_APART);
    let candidates = match order.closing {
        Closing::One(id) => load(conn, id)?
            .filter(|s| s.user_id == order.user_id && s.is_alive(alive_at))
            .into_iter()
            .collect(),
        Closing::Below { .. } | Closing::All { .. } => living(conn, order.user_id, alive_at)?,
    };
    let mut closed = 0;
    if let Closing::Below { min_epoch, .. } = order.closing {
        raise_min_epoch(conn, order.user_id, min_epoch, order.now)?;
    }
    for mut session in candidates {
        let kept = match order.closing {
            Closing::One(_) => false,
            Closing::All { except } => except == Some(session.id),
            Closing::Below { min_epoch, .. } if session.epoch >= min_epoch => true,
            Closing::Below { min_epoch, except } if except == Some(session.id) => {
                session.epoch = min_epoch;
                save(conn, &session)?;
                true
            }
            Closing::Below { .. } => false,
        };
        if !kept {
            end(
                conn,
                session,
                order.closing.reason(),
                &order.origin,
                order.now,
            )?;
            closed += 1;
        }
    }
    Ok(closed)
}
