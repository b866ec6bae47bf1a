//! Whose file a SQLite database is, as far as the file itself tells: its `application_id`
//! (<https://sqlite.org/pragma.html#pragma_application_id>), which copies and back-ups keep.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    path::Path,
};

use crate::error_texts::is_damage;

/// How every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Gone,
    /// A file of length 0.
    Empty,
    /// A file that is no SQLite database, or a broken one, and why.
    Damaged(String),
    /// A file that cannot be read now, and why: locked, no room beside it, no descriptors, no right. It may be good.
    Unreadable(String),
    /// A database with this mark; 0: with none.
    Marked(i32),
}

/// Looks at the file at `path`; makes none.
#[must_use]
pub fn file_state(path: &Path) -> FileState {
    let mut start = [0; MAGIC.len()];
    match File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        if length > 0 {
            file.read_exact(&mut start)?;
        }
        Ok(length)
    }) {
        Err(error) if error.kind() == ErrorKind::NotFound => FileState::Gone,
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => no_database(),
        Err(error) => FileState::Unreadable(error.to_string()),
        Ok(0) => FileState::Empty,
        Ok(_) if start != *MAGIC => no_database(),
        Ok(_) => match read_mark(path) {
            Ok(mark) => FileState::Marked(mark),
            Err(why) if is_damage(&why) => FileState::Damaged(why),
            Err(why) => FileState::Unreadable(why),
        },
    }
}

fn no_database() -> FileState {
    FileState::Damaged("it is no SQLite database".to_owned())
}

#[cfg(feature = "sqlite")]
fn read_mark(path: &Path) -> Result<i32, String> {
    use diesel::{RunQueryDsl as _, dsl::sql, sql_types::Integer};
    let mut conn = open(path)?;
    // Reads the schema too: a file whose first page is rubbish behind its first bytes fails here.
    sql::<Integer>("SELECT COUNT(*) FROM sqlite_master")
        .get_result::<i32>(&mut conn)
        .and_then(|_| {
            sql::<Integer>("SELECT application_id FROM pragma_application_id").get_result(&mut conn)
        })
        .map_err(|e| e.to_string())
}

/// Gives the database at `path` a mark.
///
/// # Errors
/// What SQLite says.
#[cfg(feature = "sqlite")]
pub fn mark_file(path: &Path, mark: i32) -> Result<(), String> {
    use diesel::connection::SimpleConnection as _;
    open(path)?
        .batch_execute(&format!("PRAGMA application_id = {mark}"))
        .map_err(|e| e.to_string())
}

/// Moves what stands in the `-wal` file beside the database at `path` into it, as far as nobody reads it now: after a stop
/// the one file holds everything.
///
/// # Errors
/// What SQLite says.
#[cfg(feature = "sqlite")]
pub fn gather_file(path: &Path) -> Result<(), String> {
    use diesel::connection::SimpleConnection as _;
    open(path)?
        .batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")
        .map_err(|e| e.to_string())
}

#[cfg(feature = "sqlite")]
fn open(path: &Path) -> Result<diesel::SqliteConnection, String> {
    use diesel::{Connection as _, connection::SimpleConnection as _};
    let path = path.to_str().ok_or("the path is not UTF-8")?;
    // A bare `file:...` would be read as a URI.
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("./{path}")
    };
    let mut conn = diesel::SqliteConnection::establish(&path).map_err(|e| e.to_string())?;
    conn.batch_execute("PRAGMA busy_timeout = 2000")
        .map_err(|e| e.to_string())?;
    Ok(conn)
}

#[cfg(not(feature = "sqlite"))]
fn read_mark(_: &Path) -> Result<i32, String> {
    Err("this binary was built without SQLite".to_owned())
}

/// Gives the database at `path` a mark.
///
/// # Errors
/// Always: there is no SQLite.
#[cfg(not(feature = "sqlite"))]
pub fn mark_file(_: &Path, _: i32) -> Result<(), String> {
    Err("this binary was built without SQLite".to_owned())
}

/// Moves what stands beside the database into it.
///
/// # Errors
/// Always: there is no SQLite.
#[cfg(not(feature = "sqlite"))]
pub fn gather_file(_: &Path) -> Result<(), String> {
    Err("this binary was built without SQLite".to_owned())
}
