//! Bodies of requests and answers, and the OpenAPI document.

mod list_users;
mod openapi;
mod register_user;
mod unlock_user;
mod update_user;
mod user;

pub use list_users::{
    ListUsersQuery, ListedStatus, PageRequest, SearchUsersRequest, UserListResponse,
};
pub use openapi::document;
pub use register_user::RegisterUserRequest;
pub use unlock_user::UnlockedUserResponse;
pub use update_user::UpdateUserRequest;
pub use user::{UserResponse, UserStatusBody};
