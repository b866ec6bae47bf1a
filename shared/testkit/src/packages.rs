//! What has to be installed, and how.

use std::path::{Path, PathBuf};

/// Exit code when something is not installed (`EX_UNAVAILABLE` of sysexits.h).
pub const EXIT_UNAVAILABLE: u8 = 69;

/// Something tests need from outside.
#[derive(Debug)]
pub struct Component {
    /// For people.
    pub name: &'static str,
    /// Debian's package.
    pub package: &'static str,
    /// It is there if all of these are found: programs, or files where a `/` is in them.
    needs: &'static [&'static str],
}

/// PostgreSQL.
pub const POSTGRES: Component = Component {
    name: "PostgreSQL",
    package: "postgresql",
    needs: &["initdb", "postgres"],
};
/// MariaDB.
pub const MARIADB: Component = Component {
    name: "MariaDB",
    package: "mariadb-server",
    needs: &["mariadb-install-db", "mariadbd"],
};
/// Redis.
pub const REDIS: Component = Component {
    name: "Redis",
    package: "redis-server",
    needs: &["redis-server"],
};

/// Everything `make test` needs beside Rust and a C compiler.
pub const ALL: [Component; 7] = [
    POSTGRES,
    MARIADB,
    REDIS,
    Component {
        name: "NGINX",
        package: "nginx",
        needs: &["nginx"],
    },
    Component {
        name: "PostgreSQL's client library",
        package: "libpq-dev",
        needs: &["/usr/include/postgresql/libpq-fe.h"],
    },
    Component {
        name: "MariaDB's client library",
        package: "libmariadb-dev",
        needs: &["/usr/include/mariadb/mysql.h"],
    },
    Component {
        name: "pkg-config",
        package: "pkg-config",
        needs: &["pkg-config"],
    },
];

impl Component {
    /// Whether it is there.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        self.needs.iter().all(|need| find(need).is_some())
    }
}

/// Those of `components` that are not there.
#[must_use]
pub fn missing<'a>(components: impl IntoIterator<Item = &'a Component>) -> Vec<&'a Component> {
    components
        .into_iter()
        .filter(|c| !c.is_installed())
        .collect()
}

/// The command that installs `components`.
#[must_use]
pub fn install_command(components: &[&Component]) -> String {
    let sudo = if is_root() { "" } else { "sudo " };
    let packages: Vec<&str> = components.iter().map(|c| c.package).collect();
    format!(
        "{sudo}apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Path of a program, also where Debian keeps servers off an ordinary user's PATH; or of a file.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Path::new(program).exists().then(|| program.into());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH, to look for programs as a shell does"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    folders.extend(postgres_folders());
    let mut paths = folders.into_iter().map(|folder| folder.join(program));
    paths.find(|path| path.is_file())
}

/// `/usr/lib/postgresql/<version>/bin`, the newest first.
fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .map(|entry| {
            let number = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            (number, entry.path().join("bin"))
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .collect()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
