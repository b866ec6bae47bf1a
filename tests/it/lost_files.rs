//! Every file of `DATA_DIR` in turn is lost, emptied, damaged or from another installation: the start is refused with the
//! file's name and nothing is made in its place, or the file is one that is made again.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use end_to_end::{Kind, Options, eventually, rounds};
use testkit::new_key_ring;
use ud_kernel::Service;

use crate::data_dir::{
    Files, files_of, installation, lay_out, refuses, remove_line, start, starts_as_before, stop,
    write_the_list_as_told,
};

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
    starts_as_before(&mut platform).await;
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
    remove_line(&folder, "session.db");
    assert_eq!(start(running).await, None, "{}", running.process().output());
    assert_eq!(running.stop().await.code(), Some(0));
    assert!(fs::read_to_string(&list).unwrap().contains("session.db"));
}

/// A back-up of the databases and rings alone, put into a new folder, and the session store emptied.
#[tokio::test]
async fn a_restore_without_the_list_leads_on() {
    let (mut platform, folder) = installation().await;
    let mut files = files_of(&folder);
    files.retain(|name, _| name.ends_with(".db") || name.starts_with("keys/"));
    files.remove("session.db");
    lay_out(&folder, &files);
    let said = refuses(&mut platform, &folder, "session.db").await;
    assert_eq!(files_of(&folder), files, "nothing was changed");
    write_the_list_as_told(&said);
    starts_as_before(&mut platform).await;
    stop(&platform).await;
    let list = fs::read_to_string(folder.join("installation")).unwrap();
    assert!(
        list.contains("session.db") && list.contains("\nid "),
        "{list}"
    );
    // What it wrote is a list like any other.
    fs::remove_file(folder.join("session.db")).unwrap();
    let _ = refuses(&mut platform, &folder, "session.db").await;
}

/// What lies beside the files of the installation is not ours.
#[tokio::test]
async fn copies_in_the_folder_are_left_alone() {
    let (mut platform, folder) = installation().await;
    let files = files_of(&folder);
    let copies = [
        ("auth.db", "auth-2026.db"),
        ("auth.db", "auth copy.db"),
        ("role.db", "auth.db.db"),
        ("keys/refresh-token", "keys/refresh-token.bak"),
        ("keys/refresh-token", "keys/key-encryption (copy)"),
    ];
    let mut given = files.clone();
    for (name, copy) in copies {
        let mut content = files[name].clone();
        if name.ends_with(".db") {
            content[68..72].fill(7);
        }
        given.insert(copy.to_owned(), content);
    }
    given.insert("notes.db".to_owned(), b"no database".to_vec());
    lay_out(&folder, &given);
    for _ in 0..2 {
        starts_as_before(&mut platform).await;
        stop(&platform).await;
    }
    let left = files_of(&folder);
    let strays = copies.iter().map(|(_, copy)| *copy).chain(["notes.db"]);
    for name in strays {
        assert_eq!(left[name], given[name], "{name}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    starts_as_before(&mut platform).await;
}

/// A database that was moved into a folder below: its old line in the list is nobody's any more.
#[tokio::test]
async fn a_database_in_a_folder_below_is_missed_too() {
    let (mut platform, folder) = installation().await;
    fs::create_dir(folder.join("db")).unwrap();
    let below = folder.join("db/auth.db");
    fs::rename(folder.join("auth.db"), &below).unwrap();
    let url = format!("sqlite://{}", below.display());
    platform
        .process_mut(Service::Auth)
        .set("AUTH_DATABASE_URL", &url);
    starts_as_before(&mut platform).await;
    stop(&platform).await;
    let content = fs::read(&below).unwrap();
    fs::remove_file(&below).unwrap();
    let _ = refuses(&mut platform, &folder, "db/auth.db").await;
    assert!(!below.exists());
    fs::write(&below, content).unwrap();
    starts_as_before(&mut platform).await;
}

/// The moments of a first start: when each of these files appears, in the order in which they do.
const MOMENTS: [&str; 11] = [
    "installation",
    "initial-admin-password",
    "auth.db",
    "keys/key-encryption",
    "keys/refresh-token",
    "role.db",
    "session.db",
    "keys/session-feed",
    "audit.db",
    "profile.db",
    "profile.db-wal",
];

/// A first start that is killed at any moment is no installation that lost something.
#[tokio::test]
async fn a_first_start_that_was_killed_goes_on() {
    let options = Options::new(Kind::Standalone).without_administrator();
    let options = options
        .set("BOOTSTRAP_ADMIN_EMAIL", "")
        .set("BOOTSTRAP_ADMIN_PASSWORD", "");
    let mut platform = options.start().await;
    let folder = platform.folder().join("data");
    let mut unfinished = 0;
    // A part of a millisecond later each time, so that the kill falls between the moments too.
    let turns = rounds(1, 20) as u64;
    let kills = (0..turns)
        .flat_map(|turn| MOMENTS.map(|moment| (Duration::from_micros(turn * 97), moment)));
    for (later, moment) in kills {
        platform.process_mut(Service::Auth).kill();
        fs::remove_dir_all(&folder).unwrap();
        let running = platform.process_mut(Service::Auth);
        running.start_again();
        until_there(&folder.join(moment)).await;
        let there = Instant::now();
        while there.elapsed() < later {
            tokio::task::yield_now().await;
        }
        running.kill();
        let left = files_of(&folder);
        let list = String::from_utf8(left["installation"].clone()).unwrap();
        unfinished += usize::from(!list.contains("auth.db"));

        let code = start(running).await;
        let said = running.process().output();
        assert_eq!(code, None, "{moment}: {said}");
        let password = fs::read_to_string(folder.join("initial-admin-password")).unwrap();
        platform.secrets.saw("password", password.trim());
        let client = &platform.client;
        let what = format!("{moment}: the administrator logs in");
        eventually(Duration::from_secs(30), &what, || async {
            let answer = client.try_log_in("admin@localhost", password.trim()).await;
            (answer.status == 200).then_some(())
        })
        .await;
        let left = files_of(&folder);
        assert!(left.keys().all(|name| !name.starts_with('.')), "{left:?}");
    }
    assert!(unfinished > 0, "all were killed too late");
}

/// Looks without a pause: the moment is short.
async fn until_there(path: &Path) {
    let there = async {
        while !path.exists() {
            tokio::task::yield_now().await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(30), there).await;
    assert!(within.is_ok(), "{} is not made", path.display());
}
