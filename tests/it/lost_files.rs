//! Every file of `DATA_DIR` in turn is lost, emptied, damaged or from another installation: the start is refused with the
//! file's name and nothing is made in its place, or the file is one that is made again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use end_to_end::{Kind, Options, Platform, Running};
use testkit::new_key_ring;
use ud_kernel::Service;

/// Names below a folder, and what the files hold.
type Files = BTreeMap<String, Vec<u8>>;

fn files_of(folder: &Path) -> Files {
    let mut files = Files::new();
    for below in ["", "keys"] {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Makes `folder` hold exactly `files`.
fn lay_out(folder: &Path, files: &Files) {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir_all(folder.join("keys")).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

/// A stopped standalone with an administrator, and its `DATA_DIR`.
async fn installation() -> (Platform, PathBuf) {
    let platform = Options::new(Kind::Standalone).start().await;
    let _ = platform.client.newcomer_in().await;
    assert_eq!(platform.stop(Service::Auth).await.code(), Some(0));
    let folder = platform.folder().join("data");
    (platform, folder)
}

/// Starts it, and gives its exit code if it ends by itself; otherwise waits until it is ready.
async fn start(running: &mut Running) -> Option<i32> {
    running.start_again();
    let process = running.process();
    tokio::select! {
        biased;
        status = process.wait() => {
            // All it wrote has been read.
            assert!(process.ends_within(Duration::from_secs(30)));
            status.code()
        }
        () = running.until_ready() => None,
    }
}

/// What may happen to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Lost,
    Emptied,
    Overwritten,
    Foreign,
}

const DAMAGES: [Damage; 4] = [
    Damage::Lost,
    Damage::Emptied,
    Damage::Overwritten,
    Damage::Foreign,
];

/// Whether standalone makes the file again, so that the start works. RUNBOOK says which.
fn is_made_again(name: &str, damage: Damage) -> bool {
    name.ends_with(".lock")
        || name.ends_with("-shm")
        // After a clean stop it holds nothing.
        || name.ends_with("-wal")
        || (name == "installation" && damage == Damage::Lost)
}

fn damaged(files: &Files, others: &Files, name: &str, damage: Damage) -> Files {
    let mut files = files.clone();
    match damage {
        Damage::Lost => {
            files.remove(name);
        }
        Damage::Emptied => {
            files.insert(name.to_owned(), Vec::new());
        }
        Damage::Overwritten => {
            let content = files.get_mut(name).unwrap();
            for byte in content.iter_mut().take(512) {
                *byte ^= 0x5a;
            }
        }
        Damage::Foreign => {
            let other = others.get(name).cloned().unwrap_or_default();
            files.insert(name.to_owned(), other);
        }
    }
    files
}

#[tokio::test]
async fn every_file_lost_emptied_damaged_or_foreign_is_refused_or_made_again() {
    let (mut platform, folder) = installation().await;
    let (_other, other_folder) = installation().await;
    let (files, others) = (files_of(&folder), files_of(&other_folder));
    for name in [
        "auth.db",
        "role.db",
        "session.db",
        "audit.db",
        "profile.db",
        "installation",
    ] {
        assert!(files.contains_key(name), "{:?}", files.keys());
    }
    assert_eq!(
        files
            .keys()
            .filter(|name| name.starts_with("keys/"))
            .count(),
        3
    );
    for name in files.keys() {
        for damage in DAMAGES {
            let given = damaged(&files, &others, name, damage);
            lay_out(&folder, &given);
            let running = platform.process_mut(Service::Auth);
            let code = start(running).await;
            let said = running.process().output();
            if is_made_again(name, damage) {
                assert_eq!(code, None, "{name} {damage:?}: {said}");
                assert_eq!(running.stop().await.code(), Some(0));
                continue;
            }
            assert_eq!(code, Some(78), "{name} {damage:?}: {said}");
            let path = folder.join(name).display().to_string();
            assert!(said.contains(&path), "{name} {damage:?}: {said}");
            assert!(said.contains("back-up"), "what to do: {said}");
            let left = files_of(&folder);
            let names = left.keys().chain(given.keys());
            // SQLite makes and removes files beside a database that it reads.
            let names = names.filter(|name| !name.contains(".db-"));
            let changed: Vec<_> = names
                .filter(|name| left.get(*name) != given.get(*name))
                .collect();
            assert!(changed.is_empty(), "{name} {damage:?}: {changed:?}");
            // Nor does a command make anything.
            let (code, said) = running.run(&["migrate"]).await;
            assert_eq!(code, Some(78), "{name} {damage:?}: {said}");
        }
    }
    // All is there again: it starts, and who was somebody is.
    lay_out(&folder, &files);
    assert_eq!(start(platform.process_mut(Service::Auth)).await, None);
    let login = platform
        .client
        .try_log_in(&platform.chief.email, &platform.chief.password)
        .await;
    assert_eq!(login.status, 200, "{login:?}");
}

/// An installation of the version before there was a list, and a change that was meant.
#[tokio::test]
async fn what_is_meant_is_accepted() {
    let (mut platform, folder) = installation().await;
    let list = folder.join("installation");

    // As the version before left it: no list, no mark.
    fs::remove_file(&list).unwrap();
    for (name, mut content) in files_of(&folder) {
        let is_beside = name.ends_with("-wal") && !content.is_empty();
        assert!(!is_beside, "a clean stop leaves nothing there");
        if name.ends_with(".db") {
            // `application_id` (https://sqlite.org/fileformat.html#application_id).
            content[68..72].fill(0);
            fs::write(folder.join(name), content).unwrap();
        }
    }
    let before = files_of(&folder);
    let running = platform.process_mut(Service::Auth);
    assert_eq!(start(running).await, None);
    assert_eq!(running.stop().await.code(), Some(0));
    assert!(list.exists());
    // Without one of its files it was no installation of before either.
    for name in ["auth.db", "keys/key-encryption", "keys/refresh-token"] {
        let mut given = before.clone();
        given.remove(name);
        lay_out(&folder, &given);
        assert_eq!(start(running).await, Some(78), "{name}");
        assert!(running.process().output().contains(name));
    }
    lay_out(&folder, &before);
    assert_eq!(start(running).await, None);
    assert_eq!(running.stop().await.code(), Some(0));

    // A ring that is rotated is still the ring, as long as it has a key of before.
    let ring = folder.join("keys/refresh-token");
    let old = fs::read_to_string(&ring).unwrap();
    fs::write(&ring, format!("{},{}", new_key_ring("k2"), old.trim())).unwrap();
    assert_eq!(start(running).await, None, "{}", running.process().output());
    assert_eq!(running.stop().await.code(), Some(0));
    // The old one leaves; the list knows the new one by now.
    let both = fs::read_to_string(&ring).unwrap();
    fs::write(&ring, both.split(',').next().unwrap()).unwrap();
    assert_eq!(start(running).await, None, "{}", running.process().output());
    assert_eq!(running.stop().await.code(), Some(0));

    // Sessions are to end: the line goes with the file.
    fs::remove_file(folder.join("session.db")).unwrap();
    assert_eq!(start(running).await, Some(78));
    let text = fs::read_to_string(&list).unwrap();
    let rest: String = text
        .lines()
        .filter(|line| *line != "session.db")
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&list, rest).unwrap();
    assert_eq!(start(running).await, None, "{}", running.process().output());
    assert_eq!(running.stop().await.code(), Some(0));
    assert!(fs::read_to_string(&list).unwrap().contains("session.db"));
}

/// A first start that is killed at any moment is no installation that lost something.
#[tokio::test]
async fn a_first_start_that_was_killed_goes_on() {
    let (mut platform, folder) = installation().await;
    let list = fs::read_to_string(folder.join("installation")).unwrap();
    let begun: String = list
        .lines()
        .filter(|line| line.starts_with(['#', 'i']))
        .map(|line| format!("{line}\n"))
        .collect();
    let files = files_of(&folder);
    let running = platform.process_mut(Service::Auth);
    // So many of the files had been made.
    for count in 0..files.len() {
        let mut given: Files = files.clone().into_iter().take(count).collect();
        given.insert("installation".to_owned(), begun.clone().into_bytes());
        if given.contains_key("auth.db") && !given.contains_key("keys/key-encryption") {
            // Keys are made before what is sealed under them.
            given.insert(
                "keys/key-encryption".to_owned(),
                files["keys/key-encryption"].clone(),
            );
        }
        lay_out(&folder, &given);
        assert_eq!(
            start(running).await,
            None,
            "{count}: {}",
            running.process().output()
        );
        assert_eq!(running.stop().await.code(), Some(0));
    }
}
