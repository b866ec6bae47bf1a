use serde::{Deserialize, Serialize};

/// Whether a user may become, or be, an administrator, as far as role has been told (SECURITY rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Profile is about to make the account unable to log in. Profile alone ends this, by a final standing.
    Reserved,
    /// The account cannot log in. Final for its sequence.
    Inactive,
    /// The account can log in. Final for its sequence.
    Active,
}

impl Standing {
    /// As stored and as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Inactive => "inactive",
            Self::Active => "active",
        }
    }

    /// Whether it is the outcome of a change, and not its announcement.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Reserved)
    }
}

impl std::str::FromStr for Standing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Reserved, Self::Inactive, Self::Active]
            .into_iter()
            .find(|standing| standing.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a standing"))
    }
}

/// `PUT /internal/v1/users/{id}/standing` at role (caller: profile), and its response: the standing that role has now.
/// The message with the highest sequence counts; of two with the same sequence the final one does. 409
/// `user.is-administrator` to a reservation for a holder of `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserStanding {
    /// The standing.
    pub state: Standing,
    /// The user's version at profile that the standing belongs to; for a reservation, the version that the change will
    /// make.
    pub sequence: i64,
}

impl UserStanding {
    /// Whether this counts where `stored` is what was known before.
    #[must_use]
    pub const fn supersedes(&self, stored: &Self) -> bool {
        self.sequence > stored.sequence
            || (self.sequence == stored.sequence
                && self.state.is_final()
                && !stored.state.is_final())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_counts_and_of_equals_the_final_one() {
        use Standing::{Active, Inactive, Reserved};
        let of = |state, sequence| UserStanding { state, sequence };
        assert!(of(Reserved, 3).supersedes(&of(Active, 2)));
        assert!(of(Active, 3).supersedes(&of(Reserved, 3)));
        assert!(of(Inactive, 3).supersedes(&of(Reserved, 3)));
        // The reservation that arrives late, and the message that arrives twice.
        assert!(!of(Reserved, 3).supersedes(&of(Active, 3)));
        assert!(!of(Reserved, 3).supersedes(&of(Inactive, 4)));
        assert!(!of(Active, 2).supersedes(&of(Reserved, 3)));
        assert!(!of(Reserved, 3).supersedes(&of(Reserved, 3)));
        assert!(!of(Active, 3).supersedes(&of(Inactive, 3)));
    }
}
