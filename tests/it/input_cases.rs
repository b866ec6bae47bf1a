//! A good request for every operation that takes a body.

use end_to_end::{Client, Person};
use serde_json::{Value, json};

use crate::openapi::NOBODY;

/// An operation with a body, and one that it takes.
pub struct Case {
    /// Of the request.
    pub method: &'static str,
    /// Of the request.
    pub path: String,
    /// A body that nothing is wrong with.
    pub body: Value,
    /// Members whose text may hold any character: they are compared, never stored as they are.
    pub opaque: &'static [&'static str],
}

impl Case {
    /// The request, without a body.
    pub fn call(&self, client: &Client, token: &str) -> end_to_end::Call {
        client.call(self.method, &self.path).bearer(token)
    }
}

/// One for each operation with a body; `subject` is a user, `role` a role that may be changed.
pub fn cases(subject: &str, role: &str) -> Vec<Case> {
    let case = |method, path: &str, opaque, body| Case {
        method,
        path: path.to_owned(),
        body,
        opaque,
    };
    let user = format!("/api/v1/users/{subject}");
    let role_path = format!("/api/v1/roles/{role}");
    let mut registration = Person::new().registration();
    for (name, value) in [
        ("given_name", "Ada"),
        ("family_name", "Zumthor"),
        ("phone", "+41791234567"),
        ("locale", "de-CH"),
        ("timezone", "Europe/Zurich"),
    ] {
        registration[name] = json!(value);
    }
    vec![
        case(
            "POST",
            "/api/v1/auth/login",
            &["identifier", "password"],
            json!({"identifier": "nobody@example.com", "password": "wrong wrong wrong wrong"}),
        ),
        case(
            "POST",
            "/api/v1/auth/refresh",
            &["refresh_token"],
            json!({"refresh_token": "udr_AAAA"}),
        ),
        case(
            "POST",
            "/api/v1/auth/logout",
            &["refresh_token"],
            json!({"refresh_token": "udr_AAAA"}),
        ),
        case(
            "POST",
            "/api/v1/auth/password/change",
            &["current_password", "new_password", "refresh_token"],
            json!({"current_password": "wrong wrong wrong wrong",
                "new_password": "Quittenbaum 77 am Fluss", "refresh_token": "udr_AAAA"}),
        ),
        case(
            "POST",
            "/api/v1/auth/reauthenticate",
            &["password", "refresh_token"],
            json!({"password": "wrong wrong wrong wrong", "refresh_token": "udr_AAAA"}),
        ),
        case("POST", "/api/v1/users", &["password"], registration),
        case(
            "POST",
            "/api/v1/users/search",
            &[],
            json!({"email": "nobody@example.com", "username": "nobody", "text": "nobody",
                "status": "active", "limit": 10}),
        ),
        case(
            "PATCH",
            &user,
            &[],
            json!({"given_name": "Ada", "family_name": "Zumthor", "locale": "de-CH",
                "timezone": "Europe/Zurich"}),
        ),
        case(
            "POST",
            "/api/v1/roles",
            &[],
            json!({"name": "never-made", "description": "x", "permissions": ["orders:read"]}),
        ),
        case(
            "PATCH",
            &role_path,
            &[],
            json!({"description": "x", "permissions": ["orders:read"]}),
        ),
        case(
            "POST",
            "/api/v1/roles/check",
            &[],
            json!({"user_id": subject, "permission": "orders:read"}),
        ),
        case(
            "POST",
            "/api/v1/role-assignments",
            &[],
            json!({"user_id": NOBODY, "role_id": role, "expires_at": "2099-01-01T00:00:00Z"}),
        ),
        case(
            "POST",
            "/api/v1/audits",
            &[],
            json!({"action": "never_written", "actor_id": subject, "target_type": "order",
                "target_id": "1", "outcome": "success", "metadata": {}}),
        ),
    ]
}
