use serde::{Deserialize, Serialize};
use ud_http::{FieldErrors, Page, PageRequest, Problem, Validate};
use ud_kernel::{FieldError, UserId, check_line};
use utoipa::{IntoParams, ToSchema};

use super::UserResponse;
use crate::models::{
    personal,
    user::{User, UserStatus},
    user_store::UserFilter,
};

/// Most items of a page.
const MAX_LIMIT: i64 = 100;
/// Shortest text that is searched for: a single letter begins half of all names.
const MIN_TEXT: usize = 2;
/// Longest text that is searched for.
const MAX_TEXT: usize = 100;
/// Most words that are searched for at once.
const MAX_TEXT_WORDS: usize = 5;

/// Statuses a list can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListedStatus {
    /// May log in.
    Active,
    /// Locked by an administrator.
    Suspended,
}

impl From<ListedStatus> for UserStatus {
    fn from(status: ListedStatus) -> Self {
        match status {
            ListedStatus::Active => Self::Active,
            ListedStatus::Suspended => Self::Suspended,
        }
    }
}

/// Query of `GET /api/v1/users`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListUsersQuery {
    /// Most items to answer with, 1 to 100; 50 unless given.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[param(max_length = 512)]
    cursor: Option<String>,
    /// Only users of this status.
    #[serde(default)]
    #[param(inline)]
    status: Option<ListedStatus>,
}

impl ListUsersQuery {
    /// The page asked for.
    ///
    /// # Errors
    /// 400 `request.invalid-parameter`, `request.invalid-cursor`.
    pub fn page(&self) -> Result<(UserFilter, PageRequest<UserId>), Problem> {
        let page = PageRequest::new(self.limit, self.cursor.as_deref())?;
        let filter = UserFilter {
            status: self.status.map(Into::into),
            ..UserFilter::default()
        };
        Ok((filter, page))
    }
}

/// What to look for; a user must fit every member. Personal data stays out of URLs.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SearchUsers)]
pub struct SearchUsersRequest {
    /// Exactly this email address, in any case.
    #[serde(default)]
    #[schema(max_length = 254)]
    email: Option<String>,
    /// Exactly this username, in any case.
    #[serde(default)]
    #[schema(max_length = 64)]
    username: Option<String>,
    /// Words, each the beginning of a part of the name, username or email address, in any case.
    #[serde(default)]
    #[schema(min_length = 2, max_length = 100)]
    text: Option<String>,
    /// Only users of this status.
    #[serde(default)]
    status: Option<ListedStatus>,
    /// Most items to answer with; 50 unless given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schema(max_length = 512)]
    cursor: Option<String>,
}

impl SearchUsersRequest {
    /// The page asked for.
    ///
    /// # Errors
    /// 400 `request.invalid-cursor`.
    pub fn page(&self) -> Result<(UserFilter, PageRequest<UserId>), Problem> {
        let page = PageRequest::new(self.limit, self.cursor.as_deref())?;
        let filter = UserFilter {
            status: self.status.map(Into::into),
            email: self.email.as_deref().map(personal::canonical_email),
            username: self.username.as_deref().map(str::to_ascii_lowercase),
            words: self
                .text
                .as_deref()
                .map(personal::search_words)
                .unwrap_or_default(),
        };
        Ok((filter, page))
    }
}

impl Validate for SearchUsersRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        if let Some(email) = &self.email {
            errors.check(personal::email("/email", email));
        }
        if let Some(username) = &self.username {
            errors.check(check_line("/username", username, personal::MAX_USERNAME));
        }
        if let Some(text) = &self.text
            && errors.check(check_line("/text", text, MAX_TEXT)).is_some()
        {
            errors.check(check_words(text));
        }
        if self
            .limit
            .is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit))
        {
            errors.push(FieldError::new("/limit", "field.invalid", "from 1 to 100"));
        }
    }
}

fn check_words(text: &str) -> Result<(), FieldError> {
    let words = personal::search_words(text);
    if words.is_empty() || words.iter().any(|word| word.chars().count() < MIN_TEXT) {
        let detail = "words of at least 2 characters";
        return Err(FieldError::new("/text", "field.too-short", detail));
    }
    if words.len() > MAX_TEXT_WORDS {
        return Err(FieldError::new(
            "/text",
            "field.too-long",
            "at most 5 words",
        ));
    }
    Ok(())
}

/// One page of users, in the order of their registration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserList)]
pub struct UserListResponse {
    /// The users.
    pub items: Vec<UserResponse>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl From<Page<User>> for UserListResponse {
    fn from(page: Page<User>) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next_cursor,
        }
    }
}
