//! The model: what roles and assignments are, how they are stored, and what can be done with them.

pub mod admin_grant_flow;
mod assignment;
pub mod assignment_flow;
mod assignment_store;
mod change;
mod error;
mod grant;
mod holdings;
mod limits;
mod permission_set;
mod policy_store;
mod read_flow;
mod role;
pub mod role_flow;
mod role_store;
mod schema;
pub mod standing_flow;
mod standing_store;

pub use assignment::{Assignment, MAX_ROLES, NewAssignment};
pub use assignment_flow::AssignmentFlow;
pub use assignment_store::AssignmentFilter;
#[cfg(feature = "testing")]
pub use change::Change;
pub use change::NotBeforeClient;
pub use error::RoleError;
pub use limits::NamesLimit;
pub use permission_set::PermissionSet;
pub use read_flow::ReadFlow;
pub use role::{
    ADMIN_ROLE, MAX_DESCRIPTION, MAX_NAMES_BYTES, NewRole, Role, RoleName, RolePatch, USER_ROLE,
};
pub use role_flow::RoleFlow;
pub use standing_flow::StandingFlow;
