//! Users of the platform, and what they do.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{Answer, Call, Client, unique};

/// Somebody with an address and a password nobody else has.
#[derive(Debug, Clone)]
pub struct Person {
    /// Id; empty before the registration.
    pub id: String,
    /// Email address.
    pub email: String,
    /// User name.
    pub username: String,
    /// Password that the policy accepts.
    pub password: String,
}

/// Tokens of one login.
#[derive(Debug, Clone)]
pub struct Login {
    /// For `Authorization: Bearer`.
    pub access: String,
    /// For `POST /api/v1/auth/refresh`.
    pub refresh: String,
    /// The session.
    pub session: String,
    /// The user.
    pub user: String,
}

impl Person {
    /// Somebody who is not registered yet.
    #[must_use]
    pub fn new() -> Self {
        let mark = unique();
        Self {
            id: String::new(),
            email: format!("p{mark}@example.com"),
            username: format!("u{mark}"),
            password: Self::password(),
        }
    }

    /// A new password that the policy accepts.
    #[must_use]
    pub fn password() -> String {
        format!("Quittenbaum {} am Fluss", unique())
    }

    /// The body of a registration.
    #[must_use]
    pub fn registration(&self) -> Value {
        json!({"email": self.email, "username": self.username, "password": self.password})
    }
}

impl Default for Person {
    fn default() -> Self {
        Self::new()
    }
}

impl Login {
    /// From the answer to a login or a refresh.
    ///
    /// # Panics
    /// If it is not one.
    #[track_caller]
    #[must_use]
    pub fn from_answer(answer: Answer) -> Self {
        let answer = answer.must(200);
        Self {
            access: answer.text("access_token"),
            refresh: answer.text("refresh_token"),
            session: answer.text("session_id"),
            user: answer.text("user_id"),
        }
    }

    /// The claims of the access token.
    #[must_use]
    pub fn claims(&self) -> Value {
        claims_of(&self.access)
    }
}

/// The claims of a token, not verified.
///
/// # Panics
/// If it is not a JWT.
#[must_use]
pub fn claims_of(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

impl Client {
    /// Registers `person`; with its id.
    ///
    /// # Panics
    /// If that fails.
    pub async fn register(&self, person: Person) -> Person {
        let answer = self
            .post("/api/v1/users")
            .json(&person.registration())
            .await;
        let id = answer.must(201).text("id");
        Person { id, ..person }
    }

    /// Somebody new, registered.
    ///
    /// # Panics
    /// If that fails.
    pub async fn newcomer(&self) -> Person {
        self.register(Person::new()).await
    }

    /// Somebody new, registered and logged in.
    ///
    /// # Panics
    /// If that fails.
    pub async fn newcomer_in(&self) -> (Person, Login) {
        let person = self.newcomer().await;
        let login = self.log_in(&person).await;
        (person, login)
    }

    /// The answer to a login.
    pub async fn try_log_in(&self, identifier: &str, password: &str) -> Answer {
        let body = json!({"identifier": identifier, "password": password});
        self.post("/api/v1/auth/login").json(&body).await
    }

    /// Logs `person` in.
    ///
    /// # Panics
    /// If that fails.
    pub async fn log_in(&self, person: &Person) -> Login {
        Login::from_answer(self.try_log_in(&person.email, &person.password).await)
    }

    /// The answer to a refresh.
    pub async fn try_refresh(&self, token: &str) -> Answer {
        let body = json!({"refresh_token": token});
        self.post("/api/v1/auth/refresh").json(&body).await
    }

    /// Changes the password in `login`'s session.
    pub fn change_password(&self, login: &Login, current: &str, new: &str) -> Call {
        let body = json!({"current_password": current, "new_password": new,
            "refresh_token": login.refresh});
        self.post("/api/v1/auth/password/change")
            .bearer(&login.access)
            .json(&body)
    }

    /// Gives the password again in `login`'s session.
    pub fn reauthenticate(&self, login: &Login, password: &str) -> Call {
        let body = json!({"password": password, "refresh_token": login.refresh});
        self.post("/api/v1/auth/reauthenticate")
            .bearer(&login.access)
            .json(&body)
    }

    /// New tokens for `login`'s session.
    ///
    /// # Panics
    /// If there are none.
    pub async fn refresh(&self, login: &Login) -> Login {
        Login::from_answer(self.try_refresh(&login.refresh).await)
    }
}
