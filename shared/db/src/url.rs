//! The database URL: which backend it names, and what is wrong with it.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{Backend, DbError};

/// Where the database is.
#[derive(Clone)]
#[cfg_attr(
    not(all(feature = "sqlite", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "only backends compiled in are opened")
)]
pub(crate) enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// A libpq URI.
    Postgres(SecretString),
    /// A `mysql://` URL, and the address behind it unless it is a socket file.
    Mysql {
        url: SecretString,
        address: Option<(String, u16)>,
    },
}

impl Target {
    pub(crate) const fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Postgres(_) => Backend::Postgres,
            Self::Mysql { .. } => Backend::Mysql,
        }
    }

    /// Reads the URL. No error repeats any of it but the scheme: it holds a password.
    pub(crate) fn parse(url: &SecretString) -> Result<Self, DbError> {
        let text = url.expose_secret();
        let scheme = text.split(':').next().unwrap_or_default();
        if scheme.len() == text.len() {
            return Err(DbError::Url(
                "it has no scheme: expected postgres://, mysql:// or sqlite:PATH".to_owned(),
            ));
        }
        let backend = match scheme {
            "postgres" | "postgresql" => Backend::Postgres,
            "mysql" | "mariadb" => Backend::Mysql,
            "sqlite" => Backend::Sqlite,
            other => {
                return Err(DbError::Url(format!(
                    "unknown scheme {:?}: expected postgres, postgresql, mysql, mariadb or sqlite",
                    other.chars().take(20).collect::<String>()
                )));
            }
        };
        if !backend.is_compiled_in() {
            return Err(DbError::NotCompiledIn(backend));
        }
        match backend {
            Backend::Sqlite => sqlite(text),
            Backend::Postgres => postgres(text),
            Backend::Mysql => mysql(text),
        }
    }
}

fn sqlite(text: &str) -> Result<Target, DbError> {
    let rest = text.strip_prefix("sqlite:").unwrap_or_default();
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(":memory:") || path.contains(['?', '\0']) {
        return Err(DbError::Url(
            "sqlite needs the path of a file, for instance sqlite:./data/auth.db".to_owned(),
        ));
    }
    Ok(Target::Sqlite(PathBuf::from(path)))
}

fn postgres(text: &str) -> Result<Target, DbError> {
    let mut url = parsed(text)?;
    // libpq's own defaults wait for minutes.
    for (key, value) in [
        ("connect_timeout", "2"),
        ("tcp_user_timeout", "8000"),
        ("keepalives_idle", "30"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
    ] {
        if !url.query_pairs().any(|(k, _)| k == key) {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    Ok(Target::Postgres(String::from(url).into()))
}

fn mysql(text: &str) -> Result<Target, DbError> {
    let text = text
        .strip_prefix("mariadb:")
        .map_or_else(|| text.to_owned(), |rest| format!("mysql:{rest}"));
    let url = parsed(&text)?;
    let by_socket = url.query_pairs().any(|(key, _)| key == "unix_socket");
    let address = url
        .host()
        .filter(|_| !by_socket)
        .map(|host| match host {
            url::Host::Ipv6(ip) => ip.to_string(),
            other => other.to_string(),
        })
        // To the client library `localhost` means the socket file.
        .filter(|host| host != "localhost")
        .map(|host| (host, url.port().unwrap_or(3306)));
    Ok(Target::Mysql {
        url: text.into(),
        address,
    })
}

/// Parses, and refuses what the client libraries would repeat in their errors, password and all.
fn parsed(text: &str) -> Result<Url, DbError> {
    let url = Url::parse(text).map_err(|e| DbError::Url(e.to_string()))?;
    let user_info = [url.username(), url.password().unwrap_or_default()].concat();
    for piece in user_info.split('%').skip(1) {
        let hex = piece.get(..2).unwrap_or_default();
        if hex.len() != 2 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) || hex == "00" {
            return Err(DbError::Url(
                "user name or password: `%` must be written %25".to_owned(),
            ));
        }
    }
    Ok(url)
}

impl Backend {
    const fn is_compiled_in(self) -> bool {
        match self {
            Self::Sqlite => cfg!(feature = "sqlite"),
            Self::Postgres => cfg!(feature = "postgres"),
            Self::Mysql => cfg!(feature = "mysql"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, DbError> {
        Target::parse(&text.to_owned().into())
    }

    #[test]
    fn the_scheme_chooses_the_backend() {
        for (text, backend) in [
            ("postgres://u:p@h/db", Backend::Postgres),
            ("postgresql://h/db", Backend::Postgres),
            ("mysql://u@127.0.0.1:3307/db", Backend::Mysql),
            ("mariadb://u@h/db", Backend::Mysql),
            ("sqlite:data/a.db", Backend::Sqlite),
            ("sqlite:///tmp/a.db", Backend::Sqlite),
        ] {
            assert_eq!(parse(text).ok().unwrap().backend(), backend, "{text}");
        }
    }

    #[test]
    fn a_typo_is_an_error_and_never_a_file() {
        for text in [
            "postgress:x",
            "postgress://u:secret@h/db",
            "auth.db",
            "",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a.db?mode=ro",
            "postgres://u:secret%zz@h/db",
            "mysql://u:secret@h:port/db",
        ] {
            let error = parse(text).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn paths_are_taken_as_they_are() {
        let path = |text| match parse(text) {
            Ok(Target::Sqlite(path)) => path,
            _ => panic!("{text}"),
        };
        assert_eq!(path("sqlite:./a b.db"), PathBuf::from("./a b.db"));
        assert_eq!(path("sqlite:///x/a.db"), PathBuf::from("/x/a.db"));
        assert_eq!(path("sqlite://x/a.db"), PathBuf::from("x/a.db"));
    }
}
