//! Finds files of the repository, and reads its list of services.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Returns where a file of the repository is; for the empty path, the repository itself.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// One line of `deploy/services`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The short name, which is also that of its workflow.
    pub name: String,
    /// The name of the program.
    pub binary: String,
    /// The name of cargo's package.
    pub package: String,
    /// The package's folder.
    pub folder: String,
    /// Whether it has an SQL database on a server; otherwise what it keeps is in Redis.
    pub sql: bool,
}

/// Returns the services in the order of deployment.
///
/// # Errors
/// If `deploy/services` cannot be read, or a line is not as its head says.
pub fn services() -> io::Result<Vec<Service>> {
    let list = fs::read_to_string(repository("deploy/services"))?;
    list.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [name, binary, package, folder, store @ ("sql" | "redis")] = columns[..] else {
                return Err(io::Error::other(format!(
                    "not name, binary, package, folder and store: {line}"
                )));
            };
            Ok(Service {
                name: name.to_owned(),
                binary: binary.to_owned(),
                package: package.to_owned(),
                folder: folder.to_owned(),
                sql: store == "sql",
            })
        })
        .collect()
}
