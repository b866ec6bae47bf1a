use serde::Serialize;
use ud_kernel::models::CredentialUnlocked;
use utoipa::ToSchema;

/// A code for the owner of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = UnlockedUser)]
pub struct UnlockedUserResponse {
    /// 8 characters, to be handed to the owner by other means than this platform's. Shown once.
    #[schema(example = "H7KMW2QX")]
    pub unlock_code: String,
    /// Seconds until the code ends.
    #[schema(example = 600)]
    pub expires_in: u64,
}

impl From<CredentialUnlocked> for UnlockedUserResponse {
    fn from(unlocked: CredentialUnlocked) -> Self {
        Self {
            unlock_code: unlocked.unlock_code,
            expires_in: unlocked.expires_in,
        }
    }
}
