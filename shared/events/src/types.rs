//! Every event of the platform: its name, the one service that may write it, and who else is told.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use strum::IntoEnumIterator as _;
use ud_kernel::Service;

/// What happened. The text form (`user_created`) is the attribute `type` of the event and the `action` of
/// its audit record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::EnumIter)]
pub enum EventType {
    /// A registration is complete. Subject: the user.
    UserCreated,
    /// Personal data changed; `before` and `after` name the members. Subject: the user.
    UserUpdated,
    /// The account is gone for good. Subject: the user; `sequence` orders it against the direct call to auth.
    UserDeleted,
    /// An administrator locked the account. Subject: the user; `sequence` orders it against the direct call.
    UserSuspended,
    /// An administrator unlocked the account. Subject: the user; `sequence` orders it against the direct call.
    UserReactivated,
    /// Identifiers and password are stored: the commit point of a registration. Subject: the user.
    CredentialsCreated,
    /// Every session of an older epoch must end. Subject: the user. Details: `min_epoch`, and
    /// `except_session_id` for the session that stays open.
    CredentialsEpochRaised,
    /// The user chose a new password. Subject: the user.
    PasswordChanged,
    /// The operator gave the account a new password on the machine (`admin reset`). Subject: the user.
    PasswordReset,
    /// An unlock code was made for the account's owner, by an administrator or on the machine. Subject: the user.
    AccountUnlocked,
    /// A wrong password, or a right one for an account that may not log in. About no stored entity.
    LoginFailed,
    /// A user asked to end a session while the session service could not be asked directly. Subject: the
    /// user. Details: `session_id`.
    LogoutRequested,
    /// A key that signs access tokens was made, or takes over at once. Target: the key. Details: `reason`.
    SigningKeyRotated,
    /// A signing key was revoked: its tokens are refused. Target: the key.
    SigningKeyRevoked,
    /// Auth's database was restored: every signing key was replaced and every epoch raised (`fence`). Target: the
    /// service. Details: `users`.
    CredentialsFenced,
    /// A session began. Subject: the session.
    UserLoggedIn,
    /// A user proved again who they are, for a session that goes on. Subject: the session.
    UserReauthenticated,
    /// A session ended before its time. Subject: the session.
    SessionClosed,
    /// A refresh token older than the last one was presented, and its session closed. Subject: the session.
    RefreshTokenReused,
    /// The last refresh token was presented again, within the window, from elsewhere. Subject: the session.
    RefreshTokenReplayed,
    /// The last refresh token was presented again after the window, its successor never: the answer was lost, or the token
    /// stolen. Subject: the session. `before` names the source of the rotation.
    RefreshTokenRepeatedLate,
    /// A verifier claimed to have seen of the revocation feed what session had not told it. About no stored entity.
    /// Target: the service that claimed.
    FeedClaimRefused,
    /// A role was made. Subject: the role.
    RoleCreated,
    /// A role's permissions or description changed. Subject: the role. Details: a [`ud_kernel::models::Mark`]
    /// when it lost a permission, otherwise none.
    RoleUpdated,
    /// A role is gone. Subject: the role. Details: a [`ud_kernel::models::Mark`].
    RoleDeleted,
    /// A user got a role. Subject: the assignment.
    RoleAssigned,
    /// A user lost a role. Subject: the assignment. Details: a [`ud_kernel::models::Mark`].
    RoleUnassigned,
    /// An assignment was removed after its end. Subject: the assignment.
    RoleAssignmentExpired,
    /// Somebody was refused for want of a permission. About no stored entity; any service.
    PermissionDenied,
    /// A call to an internal route carried no good service token. About no stored entity; any service.
    ServiceTokenRefused,
    /// A limit was reached. About no stored entity; any service.
    RateLimited,
    /// Somebody read another's data by permission. About no stored entity; any service.
    AdminRead,
}

impl EventType {
    /// Every type, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// Its name: `user_created`, ...
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The one service that writes it; none for security events that any service reports.
    #[must_use]
    pub const fn owner(self) -> Option<Service> {
        self.row().1
    }

    /// Whether `service` may write it (SECURITY rule 32).
    #[must_use]
    pub fn may_come_from(self, service: Service) -> bool {
        self.owner().is_none_or(|owner| owner == service)
    }

    /// Who is told: audit always, then those who act on it.
    pub fn destinations(self) -> impl Iterator<Item = Service> {
        std::iter::once(Service::Audit).chain(self.row().2.iter().copied())
    }

    /// Every service that `service` ever tells something, each once, in the order of [`Service::ALL`].
    #[must_use]
    pub fn destinations_of(service: Service) -> Vec<Service> {
        Service::ALL
            .into_iter()
            .filter(|destination| {
                Self::iter()
                    .filter(|kind| kind.may_come_from(service))
                    .any(|kind| kind.destinations().any(|d| d == *destination))
            })
            .collect()
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::iter().find(|kind| kind.as_str() == name)
    }

    /// Whether `name` is one of ours, so that nobody writes it through `POST /audits` (SECURITY rule 33).
    #[must_use]
    pub fn is_reserved(name: &str) -> bool {
        Self::from_name(name).is_some()
    }

    /// Name, owner, destinations beside audit.
    #[rustfmt::skip]
    const fn row(self) -> (&'static str, Option<Service>, &'static [Service]) {
        use Service::{Auth, Profile, Role, Session};
        match self {
            Self::UserCreated            => ("user_created", Some(Profile), &[]),
            Self::UserUpdated            => ("user_updated", Some(Profile), &[]),
            Self::UserDeleted            => ("user_deleted", Some(Profile), &[Auth, Role]),
            Self::UserSuspended          => ("user_suspended", Some(Profile), &[Auth]),
            Self::UserReactivated        => ("user_reactivated", Some(Profile), &[Auth]),
            Self::CredentialsCreated     => ("credentials_created", Some(Auth), &[Profile]),
            Self::CredentialsEpochRaised => ("credentials_epoch_raised", Some(Auth), &[Session]),
            Self::PasswordChanged        => ("password_changed", Some(Auth), &[]),
            Self::PasswordReset          => ("password_reset", Some(Auth), &[]),
            Self::AccountUnlocked        => ("account_unlocked", Some(Auth), &[]),
            Self::LoginFailed            => ("login_failed", Some(Auth), &[]),
            Self::LogoutRequested        => ("logout_requested", Some(Auth), &[Session]),
            Self::SigningKeyRotated      => ("signing_key_rotated", Some(Auth), &[]),
            Self::SigningKeyRevoked      => ("signing_key_revoked", Some(Auth), &[Session]),
            Self::CredentialsFenced      => ("credentials_fenced", Some(Auth), &[]),
            Self::UserLoggedIn           => ("user_logged_in", Some(Session), &[]),
            Self::UserReauthenticated    => ("user_reauthenticated", Some(Session), &[]),
            Self::SessionClosed          => ("session_closed", Some(Session), &[]),
            Self::RefreshTokenReused     => ("refresh_token_reused", Some(Session), &[]),
            Self::RefreshTokenReplayed   => ("refresh_token_replayed", Some(Session), &[]),
            Self::RefreshTokenRepeatedLate => ("refresh_token_repeated_late", Some(Session), &[]),
            Self::FeedClaimRefused       => ("feed_claim_refused", Some(Session), &[]),
            Self::RoleCreated            => ("role_created", Some(Role), &[]),
            Self::RoleUpdated            => ("role_updated", Some(Role), &[Session]),
            Self::RoleDeleted            => ("role_deleted", Some(Role), &[Session]),
            Self::RoleAssigned           => ("role_assigned", Some(Role), &[]),
            Self::RoleUnassigned         => ("role_unassigned", Some(Role), &[Session]),
            Self::RoleAssignmentExpired  => ("role_assignment_expired", Some(Role), &[]),
            Self::PermissionDenied       => ("permission_denied", None, &[]),
            Self::ServiceTokenRefused    => ("service_token_refused", None, &[]),
            Self::RateLimited            => ("rate_limited", None, &[]),
            Self::AdminRead              => ("admin_read", None, &[]),
        }
    }
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom("unknown event type"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_lower_case_words() {
        let mut seen = HashSet::new();
        for kind in EventType::all() {
            let name = kind.as_str();
            assert!(seen.insert(name), "{name} twice");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && name.len() <= 64,
                "{name}"
            );
            assert_eq!(EventType::from_name(name), Some(kind));
            assert!(EventType::is_reserved(name));
        }
        assert!(!EventType::is_reserved("order_placed"));
        assert!(!EventType::is_reserved("User_created"));
    }

    #[test]
    fn everything_goes_to_audit_and_nothing_twice_or_to_its_owner() {
        for kind in EventType::all() {
            let destinations: Vec<_> = kind.destinations().collect();
            assert_eq!(destinations.first(), Some(&Service::Audit), "{kind}");
            let distinct: HashSet<_> = destinations.iter().collect();
            assert_eq!(distinct.len(), destinations.len(), "{kind}");
            assert!(
                !kind.owner().is_some_and(|o| destinations.contains(&o)),
                "{kind}"
            );
        }
    }

    #[test]
    fn routing_is_that_of_the_design() {
        let to = |service: Service| -> Vec<&str> {
            EventType::all()
                .filter(|k| k.destinations().any(|d| d == service))
                .map(EventType::as_str)
                .collect()
        };
        assert_eq!(
            to(Service::Auth),
            ["user_deleted", "user_suspended", "user_reactivated"]
        );
        assert_eq!(to(Service::Role), ["user_deleted"]);
        assert_eq!(to(Service::Profile), ["credentials_created"]);
        assert_eq!(
            to(Service::Session),
            [
                "credentials_epoch_raised",
                "logout_requested",
                "signing_key_revoked",
                "role_updated",
                "role_deleted",
                "role_unassigned"
            ]
        );
        assert_eq!(
            EventType::destinations_of(Service::Auth),
            [Service::Session, Service::Audit, Service::Profile]
        );
        assert_eq!(
            EventType::destinations_of(Service::Audit),
            [Service::Audit],
            "its own security events go through its own inbox"
        );
    }
}
