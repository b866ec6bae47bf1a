//! Migrations of one database: in which order they are applied, and which one can be undone.

use std::collections::BTreeSet;

use diesel::{
    backend::Backend as DieselBackend,
    migration::{Migration, MigrationSource as _},
};
use diesel_migrations::EmbeddedMigrations;

use crate::{Backend, DbError};

/// The migrations of one owner (a service, the event tables), for each backend the same names. Versions
/// (the digits before the first `_`) must differ between owners that share a database.
///
/// On MySQL one DDL statement per migration: each commits by itself.
pub struct Migrations {
    /// `migrations/<owner>/sqlite`
    pub sqlite: EmbeddedMigrations,
    /// `migrations/<owner>/postgres`
    pub postgres: EmbeddedMigrations,
    /// `migrations/<owner>/mysql`
    pub mysql: EmbeddedMigrations,
}

impl Migrations {
    const fn of(&self, backend: Backend) -> &EmbeddedMigrations {
        match backend {
            Backend::Sqlite => &self.sqlite,
            Backend::Postgres => &self.postgres,
            Backend::Mysql => &self.mysql,
        }
    }
}

pub(crate) type Boxed<DB> = Box<dyn Migration<DB>>;

/// The migrations of one owner in the order of their versions.
fn in_order<DB: DieselBackend>(
    backend: Backend,
    owner: &'static Migrations,
) -> Result<Vec<Boxed<DB>>, DbError> {
    let mut all = owner.of(backend).migrations().map_err(DbError::migration)?;
    all.sort_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(all)
}

/// The migrations of each owner, in the order of their versions.
pub(crate) fn trees<DB: DieselBackend>(
    backend: Backend,
    owners: &[&'static Migrations],
) -> Result<Vec<Vec<Boxed<DB>>>, DbError> {
    let tree = |owner: &&'static Migrations| in_order::<DB>(backend, owner);
    owners.iter().map(tree).collect()
}

/// All migrations in the order of their versions.
pub(crate) fn collect<DB: DieselBackend>(
    backend: Backend,
    owners: &[&'static Migrations],
) -> Result<Vec<Boxed<DB>>, DbError> {
    let mut all: Vec<Boxed<DB>> = trees(backend, owners)?.into_iter().flatten().collect();
    all.sort_by(|a, b| a.name().version().cmp(&b.name().version()));
    let versions: BTreeSet<_> = all.iter().map(|m| m.name().version()).collect();
    if versions.len() < all.len() {
        return Err(DbError::Migration(
            "two owners have a migration of the same version".to_owned(),
        ));
    }
    drop(versions);
    Ok(all)
}

/// The migration to be undone: see [`crate::Db::next_revert`].
pub(crate) fn choose<'a, DB: DieselBackend>(
    trees: &'a [Vec<Boxed<DB>>],
    applied: &BTreeSet<String>,
    wanted: Option<&str>,
) -> Result<Option<&'a dyn Migration<DB>>, DbError> {
    let version = |migration: &Boxed<DB>| migration.name().version().to_string();
    let known: BTreeSet<_> = trees.iter().flatten().map(version).collect();
    let unknown: Vec<_> = applied.difference(&known).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(DbError::NotReverted(format!(
            "the database has migrations that this version does not know ({}). Undo those first, with the version that made them",
            unknown.join(", ")
        )));
    }
    let last = |tree: &'a Vec<Boxed<DB>>| {
        let mut newest_first = tree.iter().rev();
        newest_first.find(|migration| applied.contains(&version(migration)))
    };
    let Some(wanted) = wanted else {
        return Ok(trees.iter().find_map(last).map(|m| &**m));
    };
    let wanted = plain_version(wanted);
    let is_wanted = |migration: &&Boxed<DB>| version(migration) == wanted;
    let Some(tree) = trees.iter().find(|tree| tree.iter().any(|m| is_wanted(&m))) else {
        return Err(DbError::NotReverted(format!(
            "there is no migration {wanted}"
        )));
    };
    match last(tree) {
        Some(migration) if is_wanted(&migration) => Ok(Some(&**migration)),
        Some(later) if applied.contains(&wanted) => Err(DbError::NotReverted(format!(
            "{} was applied after {wanted}",
            later.name()
        ))),
        _ => Err(DbError::NotReverted(format!("{wanted} is not applied"))),
    }
}

/// The version in what an operator may have copied: the name of a folder, a version with or without hyphens.
fn plain_version(text: &str) -> String {
    let version = text.split('_').next().unwrap_or(text);
    version.replace('-', "")
}
