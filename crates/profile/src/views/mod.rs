//! Bodies of requests and answers.

mod list_users;
mod register_user;
mod unlock_user;
mod update_user;
mod user;

pub use list_users::{ListUsersQuery, SearchUsersRequest, UserListResponse};
pub use register_user::RegisterUserRequest;
pub use unlock_user::UnlockedUserResponse;
pub use update_user::UpdateUserRequest;
pub use user::UserResponse;
