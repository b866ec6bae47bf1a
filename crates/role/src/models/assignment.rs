//! The assignment of a role to a user.

use ud_kernel::{AssignmentId, RoleId, Timestamp, UserId};

use super::{ADMIN_ROLE, RoleError, USER_ROLE};

/// Most roles assigned to one user, `user` not counted (SECURITY rule 3).
pub const MAX_ROLES: usize = 20;

/// No assignment ends after this: 9998-12-31T00:00:00Z. All three databases hold it, in every time zone.
const LATEST_END: Timestamp = Timestamp::from_secs(253_370_678_400);

/// An assignment as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// Who has the role.
    pub user_id: UserId,
    /// Which role.
    pub role_id: RoleId,
    /// From this second on it gives nothing; none: it has no end.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An assignment to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAssignment {
    /// Who is to have the role.
    pub user_id: UserId,
    /// Which role.
    pub role_id: RoleId,
    /// Cut to whole seconds, because that is how a token tells its end.
    pub expires_at: Option<Timestamp>,
}

impl Assignment {
    /// An assignment that begins now.
    ///
    /// # Errors
    /// [`RoleError::BuiltIn`] for `user`, which everybody has; [`RoleError::AdministratorExpires`];
    /// [`RoleError::InvalidExpiry`].
    pub fn begin(new: NewAssignment, now: Timestamp) -> Result<Self, RoleError> {
        if new.role_id == USER_ROLE {
            return Err(RoleError::BuiltIn);
        }
        let expires_at = new.expires_at.map(|at| Timestamp::from_secs(at.as_secs()));
        match expires_at {
            Some(_) if new.role_id == ADMIN_ROLE => return Err(RoleError::AdministratorExpires),
            Some(at) if at <= now || at > LATEST_END => return Err(RoleError::InvalidExpiry),
            Some(_) | None => {}
        }
        Ok(Self {
            id: AssignmentId::new(now),
            user_id: new.user_id,
            role_id: new.role_id,
            expires_at,
            created_at: now,
        })
    }

    /// Whether it gives its role at `now`.
    #[must_use]
    pub fn is_in_effect(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);

    fn new(role_id: RoleId, expires_at: Option<Timestamp>) -> Result<Assignment, RoleError> {
        let user_id = UserId::new(NOW);
        Assignment::begin(
            NewAssignment {
                user_id,
                role_id,
                expires_at,
            },
            NOW,
        )
    }

    #[test]
    fn an_assignment_ends_on_a_whole_second_in_the_future() {
        let role = RoleId::new(NOW);
        let end = |millis| new(role, Some(Timestamp::from_millis(millis))).map(|a| a.expires_at);
        assert_eq!(
            end(1_700_000_001_999),
            Ok(Some(Timestamp::from_millis(1_700_000_001_000)))
        );
        // Later than now, but in a second that has begun.
        assert_eq!(end(1_700_000_000_900), Err(RoleError::InvalidExpiry));
        assert_eq!(end(0), Err(RoleError::InvalidExpiry));
        assert_eq!(
            end(LATEST_END.as_millis() + 1000),
            Err(RoleError::InvalidExpiry)
        );
        assert!(end(LATEST_END.as_millis()).is_ok());
        assert_eq!(LATEST_END.to_string(), "9998-12-31T00:00:00.000Z");
    }

    #[test]
    fn it_gives_nothing_from_its_second_on() {
        let end = Timestamp::from_millis(1_700_000_002_000);
        let assignment = new(RoleId::new(NOW), Some(end)).unwrap();
        assert!(assignment.is_in_effect(Timestamp::from_millis(1_700_000_001_999)));
        assert!(!assignment.is_in_effect(end));
    }

    #[test]
    fn built_in_roles_keep_their_nature() {
        let later = Some(Timestamp::from_millis(1_800_000_000_000));
        assert_eq!(new(USER_ROLE, None), Err(RoleError::BuiltIn));
        assert_eq!(new(ADMIN_ROLE, later), Err(RoleError::AdministratorExpires));
        assert!(new(ADMIN_ROLE, None).is_ok());
    }
}
