//! Lifetimes of sessions.

use std::time::Duration;

use ud_kernel::{models::Access, permission};

/// A session ends after so long without a refresh, and so long after login (SECURITY rule 17).
const ORDINARY: (Duration, Duration) = (days(14), days(30));
/// The same while it may change or delete things of this platform.
const PRIVILEGED: (Duration, Duration) = (hours(1), hours(12));

const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

const fn days(n: u64) -> Duration {
    hours(24 * n)
}

/// Returns whether a session with these permissions may change or delete things of this platform.
pub fn is_privileged(access: &Access) -> bool {
    let mut held = access.permissions.iter();
    held.any(|permission| permission::is_privileged(permission))
}

/// Returns the seconds such a session may idle, and live in all.
pub fn lifetime(is_privileged: bool) -> (u32, u32) {
    let (idle, absolute) = if is_privileged { PRIVILEGED } else { ORDINARY };
    (seconds(idle), seconds(absolute))
}

/// Returns whole seconds, as the session service takes them.
pub fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_may_change_things_live_shorter() {
        let of = |permissions: &[&str]| {
            lifetime(is_privileged(&Access {
                roles: vec!["user".to_owned()],
                permissions: permissions.iter().map(ToString::to_string).collect(),
                policy_version: 1,
                valid_until: None,
            }))
        };
        let ordinary = (14 * 86_400, 30 * 86_400);
        let privileged = (3600, 12 * 3600);
        assert_eq!(of(&[]), ordinary);
        assert_eq!(
            of(&["users:read", "orders:write", "orders:delete"]),
            ordinary
        );
        assert_eq!(of(&["users:write"]), privileged);
        assert_eq!(of(&["users:delete"]), privileged);
        assert_eq!(of(&["*"]), privileged);
    }
}
