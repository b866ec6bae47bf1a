//! Where the program runs.

use ud_kernel::Service;

use crate::Loader;

/// The environment; `APP_ENV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppEnv {
    /// A developer's machine: plain connections, missing keys and undeclared promises are accepted.
    Development,
    /// Everything else.
    Production,
}

impl AppEnv {
    /// [`Loader::app_env`].
    pub fn load(loader: &mut Loader, _service: Service) -> Self {
        loader.app_env()
    }

    /// Whether this is production.
    #[must_use]
    pub const fn is_production(self) -> bool {
        matches!(self, Self::Production)
    }
}
