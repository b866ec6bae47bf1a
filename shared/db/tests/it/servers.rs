//! A fresh database per test on each of the three backends.

use std::time::Duration;

use diesel::{Connection as _, connection::SimpleConnection as _};
use ud_config::DatabaseConfig;
use ud_db::{Backend, Db};
use ud_kernel::Service;

pub const ALL: [Backend; 3] = [Backend::Sqlite, Backend::Postgres, Backend::Mysql];

/// A database that is dropped with this value.
pub struct Fresh {
    pub backend: Backend,
    pub url: String,
    _dir: Option<tempfile::TempDir>,
    drop: Option<(String, String)>,
}

impl Fresh {
    pub fn new(backend: Backend) -> Self {
        if backend == Backend::Sqlite {
            let dir = tempfile::tempdir().unwrap();
            return Self {
                backend,
                url: format!("sqlite:{}", dir.path().join("test.db").display()),
                _dir: Some(dir),
                drop: None,
            };
        }
        let server = server_url(backend);
        let name = format!("ud_db_{}", uuid::Uuid::new_v4().simple());
        let created = match backend {
            Backend::Mysql => {
                format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
            }
            _ => format!("CREATE DATABASE {name}"),
        };
        admin(backend, &server, &created);
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Self {
            backend,
            url: url.to_string(),
            _dir: None,
            drop: Some((server, name)),
        }
    }

    pub fn options(&self) -> DatabaseConfig {
        options(&self.url)
    }

    pub fn db(&self) -> Db {
        Db::open(&self.options(), Service::Role).unwrap()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.drop {
            let force = if self.backend == Backend::Postgres {
                " WITH (FORCE)"
            } else {
                ""
            };
            admin(
                self.backend,
                server,
                &format!("DROP DATABASE {name}{force}"),
            );
        }
    }
}

pub fn options(url: &str) -> DatabaseConfig {
    DatabaseConfig {
        url: url.to_owned().into(),
        pool_size: 8,
        acquire_timeout: Duration::from_secs(20),
        auto_migrate: false,
        migration_url: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are told their servers so")]
pub fn server_url(backend: Backend) -> String {
    let key = match backend {
        Backend::Mysql => "TEST_MYSQL_URL",
        _ => "TEST_POSTGRES_URL",
    };
    std::env::var(key).unwrap_or_else(|_| {
        panic!("{key} is not set: run `cargo run -p testkit -- with -- cargo nextest run -p ud-db`")
    })
}

/// Runs SQL as the user of the server URL.
pub fn admin(backend: Backend, url: &str, sql: &str) {
    match backend {
        Backend::Postgres => diesel::PgConnection::establish(url)
            .unwrap()
            .batch_execute(sql)
            .unwrap(),
        Backend::Mysql => diesel::MysqlConnection::establish(url)
            .unwrap()
            .batch_execute(sql)
            .unwrap(),
        Backend::Sqlite => unreachable!(),
    }
}
