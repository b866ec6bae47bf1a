use serde::Serialize;
use ud_kernel::{Timestamp, UserId};
use utoipa::ToSchema;

use crate::models::user::{User, UserStatus};

/// Status of a user who can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UserStatus)]
pub enum UserStatusBody {
    /// May log in.
    Active,
    /// Locked by an administrator.
    Suspended,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserResponse {
    /// The same in every service.
    #[schema(value_type = String, format = Uuid)]
    pub id: UserId,
    /// Address for mail.
    #[schema(required = true)]
    pub email: Option<String>,
    /// Whether the address was proved to be the user's.
    pub email_verified: bool,
    /// In lower case.
    #[schema(required = true)]
    pub username: Option<String>,
    /// Name.
    #[schema(required = true)]
    pub given_name: Option<String>,
    /// Name.
    #[schema(required = true)]
    pub family_name: Option<String>,
    /// E.164, not verified.
    #[schema(required = true)]
    pub phone: Option<String>,
    /// Language tag (BCP 47).
    #[schema(required = true)]
    pub locale: Option<String>,
    /// IANA time zone.
    #[schema(required = true)]
    pub timezone: Option<String>,
    /// Whether the user may log in.
    pub status: UserStatusBody,
    /// When the user registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When anything of this last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified,
            username: user.username,
            given_name: user.given_name,
            family_name: user.family_name,
            phone: user.phone,
            locale: user.locale,
            timezone: user.timezone,
            status: match user.status {
                UserStatus::Suspended => UserStatusBody::Suspended,
                // Users of the other statuses are in no answer.
                UserStatus::Active | UserStatus::Pending | UserStatus::Deleted => {
                    UserStatusBody::Active
                }
            },
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}
