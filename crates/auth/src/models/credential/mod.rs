//! A credential: one user's way to prove who they are.

pub mod epoch;
pub mod identifier;
pub mod identifier_store;
pub mod store;

use ud_kernel::{Timestamp, UserId, models::CredentialStatus};

use super::password::hash::PasswordHash;

/// A credential as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// Whose.
    pub user_id: UserId,
    /// Whether it may log in.
    pub status: CredentialStatus,
    /// None once deleted, and where what is stored is no hash that is accepted: then no password is right.
    pub password_hash: Option<PasswordHash>,
    /// Raised whenever every session so far must end.
    pub epoch: i64,
    /// Sequence of the last change of status that profile told.
    pub status_sequence: i64,
    /// Number of the last event about it.
    pub event_seq: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A credential about to be stored, with its identifiers.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Whose.
    pub user_id: UserId,
    /// Of the chosen password.
    pub password_hash: PasswordHash,
    /// When.
    pub created_at: Timestamp,
}

impl StoredCredential {
    /// What a change of status leads to; none if it changes nothing, because it is older than what is known
    /// or the credential is deleted for good.
    #[must_use]
    pub fn change_of_status(&self, to: CredentialStatus, sequence: i64) -> Option<StatusChange> {
        if sequence <= self.status_sequence || self.status == CredentialStatus::Deleted {
            return None;
        }
        Some(StatusChange {
            status: to,
            sequence,
            // The same status under a later sequence is noted; no session has to end for it.
            ends_sessions: to != self.status,
        })
    }
}

/// A change of status that is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChange {
    /// The new status.
    pub status: CredentialStatus,
    /// Sequence under which profile told it.
    pub sequence: i64,
    /// Whether the epoch is raised.
    pub ends_sessions: bool,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn credential(status: CredentialStatus, sequence: i64) -> StoredCredential {
        StoredCredential {
            user_id: UserId::from_uuid(Uuid::nil()),
            status,
            password_hash: None,
            epoch: 1,
            status_sequence: sequence,
            event_seq: 1,
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn the_later_sequence_wins_whatever_the_order_of_arrival() {
        use CredentialStatus::{Active, Suspended};
        let changes = [(Suspended, 2), (Active, 3), (Suspended, 4)];
        for order in [
            [0, 1, 2],
            [2, 1, 0],
            [1, 2, 0],
            [0, 2, 1],
            [1, 0, 2],
            [2, 0, 1],
        ] {
            let mut stored = credential(Active, 1);
            for index in order {
                let (status, sequence) = changes[index];
                if let Some(change) = stored.change_of_status(status, sequence) {
                    stored.status = change.status;
                    stored.status_sequence = change.sequence;
                }
            }
            assert_eq!((stored.status, stored.status_sequence), (Suspended, 4));
        }
    }

    #[test]
    fn deleted_is_for_ever_and_the_same_again_ends_nothing() {
        use CredentialStatus::{Active, Deleted, Suspended};
        assert_eq!(credential(Deleted, 5).change_of_status(Active, 9), None);
        assert_eq!(credential(Active, 5).change_of_status(Suspended, 5), None);
        let again = credential(Suspended, 5).change_of_status(Suspended, 6);
        assert!(again.is_some_and(|c| !c.ends_sessions));
        let raised = credential(Suspended, 5).change_of_status(Active, 6);
        assert!(raised.is_some_and(|c| c.ends_sessions));
    }
}
