//! Undoing a migration: which one it is, what goes with it, and that it is still the one that was shown.

use std::{any::Any, fmt, future::Future};

use diesel::{
    QueryResult,
    backend::Backend as DieselBackend,
    connection::{BoxableConnection, SimpleConnection},
};
use ud_config::DatabaseConfig;
use ud_kernel::{Service, StartError};

use crate::{
    Db, DbError, Migrations,
    conn::MultiBackend,
    migrate::{Step, applied_versions},
    migrations::{choose, trees},
};

/// A migration that can be undone. As text: its name, and below it the statements that undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert {
    /// Name of its folder, which begins with its version.
    pub name: String,
    /// Its `down.sql`: what it drops, deletes and changes.
    pub statements: String,
    pub(crate) version: String,
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let mut lines = self.statements.lines();
        lines.try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Db {
    /// Returns the migration that [`Db::revert`] undoes next, `None` if none of these is applied. `owners` stand in the order
    /// in which they are undone, the service's own first: of the first that has one applied it is the last one, or the one
    /// of this `version`, which has to be the last of its owner. Changes nothing.
    ///
    /// # Errors
    /// [`DbError::NotReverted`] if that is not so, or the database has migrations that nobody here knows.
    pub async fn next_revert(
        &self,
        owners: &[&'static Migrations],
        version: Option<&str>,
    ) -> Result<Option<Revert>, DbError> {
        let applied = self.read_anyway(applied_versions).await?;
        let trees = trees::<MultiBackend>(self.backend(), owners)?;
        let Some(migration) = choose(&trees, &applied, version)? else {
            return Ok(None);
        };
        let mut recorder = Recorder::default();
        let read = migration.revert(&mut recorder as &mut dyn BoxableConnection<MultiBackend>);
        read.map_err(|e| DbError::NotReverted(format!("{}: {e}", migration.name())))?;
        Ok(Some(Revert {
            name: migration.name().to_string(),
            version: migration.name().version().to_string(),
            statements: recorder.0.trim().to_owned(),
        }))
    }

    /// Finds the migration of `service` that `migrate --revert` undoes: see [`Db::open_to_revert`] and [`Db::next_revert`].
    /// Returns its name with its statements and the work that undoes it, `None` if there is none.
    ///
    /// # Errors
    /// As these two. The work fails as [`Db::revert`] does.
    pub async fn plan_revert(
        config: &DatabaseConfig,
        service: Service,
        owners: &'static [&'static Migrations],
        version: Option<&str>,
        is_confirmed: bool,
    ) -> Result<Option<(String, impl Future<Output = Result<(), StartError>> + use<>)>, StartError>
    {
        let db = Self::open_to_revert(config, service, is_confirmed)?;
        let found = db.next_revert(owners, version).await?;
        Ok(found.map(|found| {
            let text = found.to_string();
            (text, async move { Ok(db.revert(owners, found).await?) })
        }))
    }

    /// Undoes this migration, under the lock of the migrations.
    ///
    /// # Errors
    /// [`DbError::NotReverted`] if it is not the last of its owner any more: somebody else was faster. Otherwise as
    /// [`Db::migrate`].
    pub async fn revert(
        &self,
        owners: &[&'static Migrations],
        revert: Revert,
    ) -> Result<(), DbError> {
        for name in self.alone(owners, Step::Down(revert.version)).await? {
            log::info!("migration {name} undone");
        }
        Ok(())
    }

    /// Undoes the last applied migration and gives its name; `None` if none is applied.
    ///
    /// # Errors
    /// As [`Db::next_revert`] and [`Db::revert`].
    pub async fn revert_last(
        &self,
        owners: &[&'static Migrations],
    ) -> Result<Option<String>, DbError> {
        let Some(next) = self.next_revert(owners, None).await? else {
            return Ok(None);
        };
        let name = next.name.clone();
        self.revert(owners, next).await?;
        Ok(Some(name))
    }
}

/// A connection to nowhere that keeps what it is told to run.
#[derive(Default)]
struct Recorder(String);

impl SimpleConnection for Recorder {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.0.push_str(query);
        Ok(())
    }
}

impl<DB: DieselBackend> BoxableConnection<DB> for Recorder {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
