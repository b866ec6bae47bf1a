//! Bodies about roles.

use serde::{Deserialize, Serialize};
use ud_http::{FieldErrors, Page, Validate};
use ud_kernel::{FieldError, Patch, RoleId, Timestamp, check_line, permission};
use utoipa::ToSchema;

use crate::models::{
    MAX_DESCRIPTION, NewRole, PermissionSet, Role, RoleError, RoleName, RolePatch,
};

/// A role to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRoleRequest {
    /// Unique, and never changed: it travels in tokens.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,62}$", example = "order-clerk")]
    pub name: String,
    /// For people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, example = "Looks after orders")]
    pub description: Option<String>,
    /// `resource:verb` each; at most 100.
    #[schema(max_items = 100, pattern = "^[a-z][a-z0-9-]{0,31}:[a-z][a-z0-9-]{0,31}$", example = json!(["orders:read"]))]
    pub permissions: Vec<String>,
}

/// What of a role is to be changed (RFC 7396): members that are absent stay as they are.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRoleRequest {
    /// `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500)]
    pub description: Patch<String>,
    /// The new permissions, all of them; at most 100.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, max_items = 100, pattern = "^[a-z][a-z0-9-]{0,31}:[a-z][a-z0-9-]{0,31}$")]
    pub permissions: Patch<Vec<String>>,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleResponse {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// For people.
    #[schema(required = true)]
    pub description: Option<String>,
    /// What it lets its holders do, sorted.
    pub permissions: Vec<String>,
    /// Whether it is `admin` or `user`.
    pub built_in: bool,
    /// When it was made; the epoch for built-in roles.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A page of roles.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolePage {
    /// In the order in which they were made.
    pub items: Vec<RoleResponse>,
    /// `cursor` of the next page; `null` after the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl Validate for CreateRoleRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        if RoleName::new(&self.name).is_err() {
            let detail = "lower-case letters, digits and hyphens, a letter first, at most 63";
            errors.push(FieldError::new("/name", "field.invalid", detail));
        }
        check_description(errors, self.description.as_deref());
        check_permissions(errors, &self.permissions);
    }
}

impl Validate for UpdateRoleRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        check_description(errors, self.description.value().map(String::as_str));
        match &self.permissions {
            Patch::Keep => {}
            Patch::Clear => {
                let detail = "cannot be removed; send an empty list";
                errors.push(FieldError::new("/permissions", "field.invalid", detail));
            }
            Patch::Set(permissions) => check_permissions(errors, permissions),
        }
    }
}

fn check_description(errors: &mut FieldErrors, description: Option<&str>) {
    if let Some(text) = description {
        errors.check(check_line("/description", text, MAX_DESCRIPTION));
    }
}

/// Their form; how many there may be is the model's to say, which has a code of its own for it.
fn check_permissions(errors: &mut FieldErrors, permissions: &[String]) {
    let wrong = permissions
        .iter()
        .enumerate()
        .filter(|(_, text)| !permission::is_valid(text));
    for (index, _) in wrong.take(10) {
        let detail = "`resource:verb`, each lower-case letters, digits and hyphens, at most 32";
        errors.push(FieldError::new(
            format!("/permissions/{index}"),
            "field.invalid",
            detail,
        ));
    }
}

impl TryFrom<CreateRoleRequest> for NewRole {
    type Error = RoleError;

    fn try_from(request: CreateRoleRequest) -> Result<Self, RoleError> {
        Ok(Self {
            name: RoleName::new(&request.name)?,
            description: request.description,
            permissions: PermissionSet::of_role(request.permissions)?,
        })
    }
}

impl TryFrom<UpdateRoleRequest> for RolePatch {
    type Error = RoleError;

    fn try_from(request: UpdateRoleRequest) -> Result<Self, RoleError> {
        let permissions = match request.permissions {
            Patch::Keep => None,
            Patch::Clear => return Err(RoleError::InvalidPermission),
            Patch::Set(permissions) => Some(PermissionSet::of_role(permissions)?),
        };
        Ok(Self {
            description: request.description,
            permissions,
        })
    }
}

impl From<Role> for RoleResponse {
    fn from(role: Role) -> Self {
        Self {
            built_in: role.is_built_in(),
            id: role.id,
            permissions: role.permissions.to_vec(),
            name: role.name,
            description: role.description,
            created_at: role.created_at,
            updated_at: role.updated_at,
        }
    }
}

impl From<Page<Role>> for RolePage {
    fn from(page: Page<Role>) -> Self {
        Self {
            items: page.items.into_iter().map(RoleResponse::from).collect(),
            next_cursor: page.next_cursor,
        }
    }
}
