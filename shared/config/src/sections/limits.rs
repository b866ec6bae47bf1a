//! How often each operation may be called.

use std::collections::BTreeMap;

use crate::{Key, Limit, Loader, keys};

/// The limits of all operations, by key (`LIMIT_...`). Those nobody set have the documented default.
#[derive(Debug, Clone)]
pub struct LimitsConfig(BTreeMap<&'static str, Limit>);

impl LimitsConfig {
    /// Reads them; problems are collected in `loader`.
    pub fn load(loader: &mut Loader) -> Self {
        Self(
            keys::limits()
                .map(|key| (&*key.name, loader.limit(key)))
                .collect(),
        )
    }

    /// The limit of `key`.
    #[must_use]
    pub fn of(&self, key: &Key) -> Limit {
        self.0
            .get(&*key.name)
            .copied()
            .unwrap_or(Limit::ONE_A_SECOND)
    }

    /// Sets the limit of `key`, which is one of [`keys::limits`].
    pub fn set(&mut self, key: &'static Key, limit: Limit) {
        self.0.insert(&key.name, limit);
    }
}
