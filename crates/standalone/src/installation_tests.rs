#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::os::unix::fs::MetadataExt as _;

use diesel::{Connection as _, connection::SimpleConnection as _};
use tempfile::TempDir;
use testkit::new_key_ring;

use super::*;

const DATABASES: [&str; 5] = ["audit.db", "auth.db", "profile.db", "role.db", "session.db"];
const RINGS: [&str; 3] = [
    "keys/key-encryption",
    "keys/refresh-token",
    "keys/session-feed",
];

#[path = "installation_list_tests.rs"]
mod lists;

/// Names and contents of all files of a folder and below.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn sql(path: &Path, statement: &str) {
    let mut conn = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute(statement).unwrap();
}

fn mark(path: &Path) -> i32 {
    match file_state(path) {
        FileState::Marked(mark) => mark,
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// A `DATA_DIR`.
struct World {
    temporary: TempDir,
    databases: Vec<&'static str>,
}

impl World {
    /// Nothing in it.
    fn empty() -> Self {
        Self {
            temporary: tempfile::tempdir().unwrap(),
            databases: DATABASES.to_vec(),
        }
    }

    /// An installation after its first start.
    fn started() -> Self {
        let world = Self::empty();
        world.start().unwrap();
        world
    }

    fn folder(&self) -> &Path {
        self.temporary.path()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn kept(&self) -> Vec<Kept> {
        let kept = |name: &str, kind| Kept::new(self.folder(), self.at(name), kind).unwrap();
        let databases = self.databases.iter().map(|name| kept(name, Kind::Database));
        let rings = RINGS.iter().map(|name| Kept {
            is_old: *name != "keys/session-feed",
            ..kept(name, Kind::Ring)
        });
        databases.chain(rings).collect()
    }

    fn examine(&self) -> Result<Installation, String> {
        Installation::examine(self.folder(), self.kept()).map_err(|error| {
            assert_eq!(error.exit_code(), 78);
            error.to_string()
        })
    }

    /// Makes what is not there, as the services do.
    fn make(&self) {
        for name in &self.databases {
            fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
            sql(
                &self.at(name),
                "CREATE TABLE IF NOT EXISTS things (id INTEGER)",
            );
        }
        fs::create_dir_all(self.at("keys")).unwrap();
        for name in RINGS.map(|name| self.at(name)) {
            if !name.exists() {
                fs::write(name, new_key_ring("k1")).unwrap();
            }
        }
    }

    /// As a start of the program does.
    fn start(&self) -> Result<Installation, String> {
        let mut found = self.examine()?;
        found.begin().unwrap();
        self.make();
        found.settle(true).unwrap();
        found.gather();
        Ok(found)
    }

    fn list(&self) -> String {
        fs::read_to_string(self.at(LIST)).unwrap()
    }

    fn remove_line(&self, name: &str) {
        let list = self.list();
        let is_other = |line: &&str| *line != name && !line.starts_with(&format!("{name} "));
        let lines: Vec<_> = list.lines().filter(is_other).collect();
        assert!(lines.len() < list.lines().count(), "{name}: {list}");
        fs::write(self.at(LIST), lines.join("\n")).unwrap();
    }

    /// The refusal names `name`, and nothing was changed.
    fn refuses(&self, name: &str) -> String {
        let before = contents(self.folder());
        let said = self.examine().expect_err(name);
        assert!(
            said.contains(&self.at(name).display().to_string()),
            "{said}"
        );
        assert_eq!(contents(self.folder()), before, "{name}");
        said
    }

    /// Does what a refusal says between `printf` and the point after it, in a shell.
    fn do_as_told(&self, said: &str) {
        let command = said.split_once("printf ").expect(said).1;
        let command = command.split_once(". The next start").unwrap().0;
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("printf {command}")])
            .status();
        assert!(status.unwrap().success(), "{command}");
    }
}

/// What is not there to be read now is neither damaged nor to be removed: a ring and the list as well as a database.
#[test]
fn a_ring_or_list_that_cannot_be_read_now_is_not_called_damaged() {
    for name in ["keys/key-encryption", "keys/refresh-token", LIST] {
        let world = World::started();
        let path = world.at(name);
        let kept = path.with_file_name("elsewhere");
        fs::rename(&path, &kept).unwrap();
        // A link to itself: there, and not to be opened.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let error = Installation::examine(world.folder(), world.kept()).unwrap_err();
        assert_eq!(error.exit_code(), 70, "{error}");
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        assert!(text.contains("cannot be read now"), "{text}");
        assert!(
            !text.contains("remove") && !text.contains("damaged"),
            "{text}"
        );
        fs::rename(&kept, &path).unwrap();
        world.examine().unwrap();
    }
}

#[test]
fn an_installation_is_listed_and_known_again() {
    let world = World::started();
    let list = world.list();
    for name in DATABASES {
        assert!(list.contains(&format!("\n{name}\n")), "{list}");
    }
    for name in RINGS {
        assert!(list.contains(&format!("\n{name} v1.k1.")), "{list}");
    }
    let marks: Vec<_> = DATABASES.iter().map(|name| mark(&world.at(name))).collect();
    assert!(marks[0] != 0 && marks.iter().all(|mark| *mark == marks[0]));
    assert!(list.contains(&format!("\nid {}\n", marks[0])));
    let inode = || fs::metadata(world.at(LIST)).unwrap().ino();
    let before = inode();
    world.start().unwrap();
    assert_eq!(world.list(), list);
    assert_eq!(inode(), before, "written when something changes");
}

#[test]
fn the_list_is_begun_before_anything_is_made() {
    let world = World::empty();
    world.examine().unwrap();
    assert!(contents(world.folder()).is_empty(), "looking makes nothing");
    world.examine().unwrap().begin().unwrap();
    let begun = world.list();
    // Killed when so many of the files were made.
    for name in DATABASES {
        sql(&world.at(name), "CREATE TABLE things (id INTEGER)");
        assert_eq!(world.list(), begun);
        world.examine().unwrap();
    }
    world.start().unwrap();
    assert!(world.list().contains("auth.db"));
}

#[test]
fn each_file_lost_is_refused_with_and_without_a_list() {
    for name in DATABASES.iter().chain(&RINGS) {
        let world = World::started();
        fs::remove_file(world.at(name)).unwrap();
        world.refuses(name);
        fs::remove_file(world.at(LIST)).unwrap();
        if *name == "keys/session-feed" {
            // Installations from before it do not have it.
            world.examine().unwrap();
        } else {
            world.refuses(name);
        }
    }
}

#[test]
fn a_listed_database_without_a_mark_is_refused_and_taken_when_its_line_is_gone() {
    let world = World::started();
    let file = world.at("role.db");
    sql(&file, "PRAGMA application_id = 0");
    world.refuses("role.db");
    world.remove_line("role.db");
    world.start().unwrap();
    assert_eq!(mark(&file), mark(&world.at("auth.db")));
    assert!(world.list().contains("\nrole.db\n"));
}

#[test]
fn what_is_not_kept_is_neither_listed_nor_changed() {
    let world = World::empty();
    let other = World::started();
    fs::create_dir_all(world.at("keys")).unwrap();
    let strays = [
        "auth-2026.db",
        "auth copy.db",
        "auth.db.db",
        "theirs.db",
        "notes.db",
        "keys/refresh-token.bak",
        "keys/key-encryption (copy)",
    ];
    for name in &strays[..3] {
        sql(&world.at(name), "CREATE TABLE things (id INTEGER)");
    }
    fs::copy(other.at("auth.db"), world.at("theirs.db")).unwrap();
    fs::write(world.at("notes.db"), "no database").unwrap();
    for name in &strays[5..] {
        fs::write(world.at(name), new_key_ring("k1")).unwrap();
    }
    let before = contents(world.folder());
    world.start().unwrap();
    world.start().unwrap();
    let after = contents(world.folder());
    for (path, content) in &before {
        assert_eq!(&after[path], content, "{}", path.display());
    }
    for name in strays {
        assert!(!world.list().contains(name), "{name}");
        fs::remove_file(world.at(name)).unwrap();
    }
    world.start().unwrap();
}

#[test]
fn a_database_below_or_beside_the_folder_is_kept_too() {
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("profile.sqlite");
    let outside: &'static str = outside.to_str().unwrap().to_owned().leak();
    let mut world = World::empty();
    world.databases = vec![
        "db/auth.db",
        "role.sqlite",
        outside,
        "audit.db",
        "session.db",
    ];
    world.start().unwrap();
    for name in ["db/auth.db", "role.sqlite", outside] {
        assert!(
            world.list().contains(&format!("\n{name}\n")),
            "{}",
            world.list()
        );
        let content = fs::read(world.at(name)).unwrap();
        fs::remove_file(world.at(name)).unwrap();
        world.refuses(name);
        let list = fs::read(world.at(LIST)).unwrap();
        fs::remove_file(world.at(LIST)).unwrap();
        world.refuses(name);
        fs::write(world.at(LIST), list).unwrap();
        fs::write(world.at(name), content).unwrap();
        world.start().unwrap();
    }
}

/// A path is the same however it is written.
#[test]
fn a_path_has_one_name() {
    let folder = Path::new("./data");
    let name = |path: &str| Kept::new(folder, path.into(), Kind::Database).unwrap().name;
    assert_eq!(name("data/auth.db"), "auth.db");
    assert_eq!(name("./data/./db/auth.db"), "db/auth.db");
    assert_eq!(name("/elsewhere/auth.db"), "/elsewhere/auth.db");
}

#[test]
fn a_ring_is_listed_only_when_it_opened_what_the_databases_hold() {
    let world = World::empty();
    let mut found = world.examine().unwrap();
    found.begin().unwrap();
    world.make();
    found.settle(false).unwrap();
    assert!(!world.list().contains("keys/"), "{}", world.list());
    assert!(world.list().contains("auth.db"));
    // It was the wrong one: the right one is put in its place.
    fs::write(world.at(RINGS[0]), new_key_ring("k1")).unwrap();
    world.start().unwrap();
    // One that is known stays known while something is away, and another is refused.
    let list = world.list();
    world.examine().unwrap().settle(false).unwrap();
    assert_eq!(world.list(), list);
    fs::write(world.at(RINGS[0]), new_key_ring("k1")).unwrap();
    world.refuses(RINGS[0]);
}

#[test]
fn a_ring_turns_as_long_as_one_key_stays() {
    let world = World::started();
    let ring = world.at("keys/refresh-token");
    let old = fs::read_to_string(&ring).unwrap();
    let new = new_key_ring("k2");
    fs::write(&ring, format!("{new},{old}")).unwrap();
    world.start().unwrap();
    assert!(world.list().contains("keys/refresh-token v1.k2."));
    fs::write(&ring, &new).unwrap();
    world.start().unwrap();
    fs::write(&ring, &old).unwrap();
    world.refuses("keys/refresh-token");
}
