//! Where the program runs.

/// The environment; `APP_ENV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppEnv {
    /// A developer's machine: plain connections, missing keys and undeclared promises are accepted.
    Development,
    /// Everything else.
    Production,
}

impl AppEnv {
    /// Whether this is production.
    #[must_use]
    pub const fn is_production(self) -> bool {
        matches!(self, Self::Production)
    }
}
