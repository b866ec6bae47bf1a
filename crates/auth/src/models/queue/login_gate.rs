//! The first gate of a login: a ticket, before any database call. However many strangers ask, the database sees a bounded
//! number of them at a time, and no network takes all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ud_kernel::Source;

use super::fair_share::{Caps, Shares};
use crate::models::error::AuthError;

/// Tickets for each place in the hash queue.
const TICKETS_PER_PLACE: usize = 4;

/// Tickets of one kind.
struct Kind {
    free: usize,
    shares: Shares,
}

impl Kind {
    fn new(all: usize) -> Self {
        Self {
            free: all,
            shares: Shares::new(Caps::of(all)),
        }
    }

    fn take(&mut self, source: Source) -> bool {
        let is_taken = self.free > 0 && self.shares.take(source);
        self.free -= usize::from(is_taken);
        is_taken
    }
}

struct Kinds {
    ordinary: Kind,
    /// For those who show a device token whose tag is good, or their access token.
    vouched: Kind,
}

/// Hands out tickets. Clones share them.
#[derive(Clone)]
pub struct LoginGate(Arc<Mutex<Kinds>>);

/// Lets one request pass; given back when dropped.
pub struct Ticket {
    gate: LoginGate,
    source: Source,
    is_vouched: bool,
}

impl LoginGate {
    /// With four tickets for each of `places` in the hash queue, at least sixteen; a quarter of them for the vouched.
    #[must_use]
    pub fn new(places: usize) -> Self {
        let all = places.saturating_mul(TICKETS_PER_PLACE).max(16);
        Self(Arc::new(Mutex::new(Kinds {
            ordinary: Kind::new(all - all / 4),
            vouched: Kind::new(all / 4),
        })))
    }

    /// Takes a ticket for a request from `source`. Vouched ones that find none of theirs take an ordinary one.
    ///
    /// # Errors
    /// [`AuthError::Busy`].
    pub fn enter(&self, source: Source, is_vouched: bool) -> Result<Ticket, AuthError> {
        let mut kinds = self.lock();
        let is_vouched = is_vouched && kinds.vouched.take(source);
        if is_vouched || kinds.ordinary.take(source) {
            return Ok(Ticket {
                gate: self.clone(),
                source,
                is_vouched,
            });
        }
        Err(AuthError::Busy)
    }

    fn lock(&self) -> MutexGuard<'_, Kinds> {
        // Counts only: a panic elsewhere leaves nothing half done in them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut kinds = self.gate.lock();
        let kind = if self.is_vouched {
            &mut kinds.vouched
        } else {
            &mut kinds.ordinary
        };
        kind.free += 1;
        kind.shares.give_back(self.source);
    }
}

impl std::fmt::Debug for LoginGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginGate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: usize) -> Source {
        Source::of(format!("2001:db8:1:{n:x}::1").parse().unwrap())
    }

    #[test]
    fn one_network_never_takes_all_tickets() {
        let gate = LoginGate::new(16);
        let stranger = Source::of("192.0.2.1".parse().unwrap());
        let mut held = Vec::new();
        for n in 0..990 {
            held.extend(gate.enter(source(n), false).ok());
        }
        assert_eq!(held.len(), 24, "half of the ordinary ones");
        assert!(gate.enter(stranger, false).is_ok());
        // With device tokens of their own they take what is kept for such, up to half of it again.
        for n in 0..990 {
            held.extend(gate.enter(source(n), true).ok());
        }
        assert_eq!(held.len(), 32);
        assert!(gate.enter(stranger, true).is_ok());
        assert!(gate.enter(stranger, false).is_ok());
    }

    #[test]
    fn many_networks_leave_the_tickets_of_the_vouched() {
        let gate = LoginGate::new(16);
        let mut held = Vec::new();
        for n in 0..200 {
            let source = Source::of(format!("2001:db8:{n:x}::1").parse().unwrap());
            held.extend(gate.enter(source, false).ok());
        }
        assert_eq!(held.len(), 48);
        let owner = Source::of("192.0.2.1".parse().unwrap());
        assert!(gate.enter(owner, false).is_err());
        assert!(gate.enter(owner, true).is_ok());
        drop(held);
        let kinds = gate.lock();
        assert_eq!((kinds.ordinary.free, kinds.vouched.free), (48, 16));
        assert_eq!(kinds.ordinary.shares.held(owner.exact()), 0);
    }
}
