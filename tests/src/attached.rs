//! A platform that somebody else started, in containers.

use std::fs;

use crate::{Directory, Kind, Platform, Ports, any_below};

/// Where it is, and who its first administrator is.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Port on which the gateway is published.
    pub port: u16,
    /// The first administrator's email address.
    pub email: String,
    /// The password that `setup` made.
    pub password: String,
}

impl Stack {
    /// The one that `CONTAINERS_PORT`, `CONTAINERS_ADMIN_EMAIL` and `CONTAINERS_ADMIN_PASSWORD_FILE` tell of, if they do: every
    /// ordinary platform of separate services is then that one.
    ///
    /// # Panics
    /// If one of them is missing, or wrong.
    #[must_use]
    pub fn told() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tells tests what runs")]
        let told = |name: &str| std::env::var(name).ok();
        let port = told("CONTAINERS_PORT")?;
        let email = told("CONTAINERS_ADMIN_EMAIL").expect("CONTAINERS_ADMIN_EMAIL");
        let file = told("CONTAINERS_ADMIN_PASSWORD_FILE").expect("CONTAINERS_ADMIN_PASSWORD_FILE");
        let password = fs::read_to_string(file).expect("the file of the password");
        Some(Self {
            port: port.parse().expect("CONTAINERS_PORT is a port"),
            email,
            password: password.trim_end().to_owned(),
        })
    }
}

impl Platform {
    /// The platform in containers, once its first administrator can log in. It goes on when this is dropped.
    ///
    /// # Panics
    /// If nobody can log in.
    pub async fn attach(stack: &Stack) -> Self {
        let directory = Directory::new(Kind::Containers, Ports::reserve(), Some(stack.port));
        let mut platform = Self::empty(Kind::Containers, directory);
        // Of its own: an address has a share of what waits for hashes (SECURITY 11), and other tests are at work.
        let own = |least: u8| least + u8::try_from(any_below(100)).expect("below 100");
        platform.client = platform.client_at(own(100), own(1));
        platform.chief.email.clone_from(&stack.email);
        platform.chief.password.clone_from(&stack.password);
        platform.secrets.saw("password", &stack.password);
        platform.await_administrator().await;
        platform
    }
}
