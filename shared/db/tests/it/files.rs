//! What a file is told to be from outside.

use std::path::Path;

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use ud_db::{FileState, file_state, gather_file, mark_file};

/// A database with a table and the mark 7, closed.
fn good(path: &Path) {
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)",
    )
    .unwrap();
    drop(conn);
    mark_file(path, 7).unwrap();
    gather_file(path).unwrap();
    assert_eq!(file_state(path), FileState::Marked(7));
}

#[track_caller]
fn assert_unreadable(path: &Path) {
    let state = file_state(path);
    assert!(matches!(state, FileState::Unreadable(_)), "{state:?}");
}

#[test]
fn what_cannot_be_read_now_is_not_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    good(&path);

    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other
        .batch_execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO t VALUES (2)")
        .unwrap();
    assert_unreadable(&path);
    other.batch_execute("COMMIT").unwrap();
    drop(other);
    assert_eq!(file_state(&path), FileState::Marked(7));

    // As on a full disk: what SQLite needs beside the file cannot be made.
    let beside = folder.path().join("a.db-wal");
    let _ = std::fs::remove_file(&beside);
    std::fs::create_dir(&beside).unwrap();
    assert_unreadable(&path);
    std::fs::remove_dir(&beside).unwrap();
    assert_eq!(file_state(&path), FileState::Marked(7));

    // The system does not read it.
    assert_unreadable(folder.path());
}

#[test]
fn what_is_broken_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    assert_eq!(file_state(&path), FileState::Gone);
    std::fs::write(&path, "").unwrap();
    assert_eq!(file_state(&path), FileState::Empty);
    std::fs::remove_file(&path).unwrap();
    good(&path);
    let content = std::fs::read(&path).unwrap();
    let spoilt = |from: usize, to: usize| {
        let mut content = content.clone();
        content[from..to].fill(0x5a);
        content
    };
    for (what, content) in [
        ("too short to be one", content[..5].to_vec()),
        ("another beginning", spoilt(0, 16)),
        ("rubbish behind the beginning", spoilt(16, 100)),
        ("a schema of rubbish", spoilt(100, 4096)),
        ("another format", spoilt(44, 48)),
    ] {
        std::fs::write(&path, content).unwrap();
        for beside in ["a.db-shm", "a.db-wal"] {
            let _ = std::fs::remove_file(folder.path().join(beside));
        }
        let state = file_state(&path);
        assert!(matches!(state, FileState::Damaged(_)), "{what}: {state:?}");
    }
}
