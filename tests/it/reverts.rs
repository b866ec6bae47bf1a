//! `migrate --revert` as an operator runs it: what it says, what it wants, and whom it refuses.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    thread,
};

use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query};
use end_to_end::{SERVICES, program_of, run_to_end, standalone};
use rstest::rstest;
use tempfile::TempDir;
use testkit::{Backend, Process, TestDatabase, free_ports};
use ud_kernel::Service;

const PASSWORD: &str = "Granite-Heron-Falls-58-Dune";

/// A program on SQLite, with its files in a folder of its own.
struct Site {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    ready: String,
    folder: TempDir,
}

impl Site {
    fn new(program: PathBuf) -> Self {
        let ports = free_ports(2);
        let environment = vec![
            ("APP_ENV", "development".to_owned()),
            ("PORT", ports[0].to_string()),
            ("INTERNAL_PORT", ports[1].to_string()),
            ("AUTH_URL", "http://127.0.0.1:1".to_owned()),
            ("BCRYPT_COST", "4".to_owned()),
            ("BOOTSTRAP_ADMIN_EMAIL", "admin@example.org".to_owned()),
            ("BOOTSTRAP_ADMIN_PASSWORD", PASSWORD.to_owned()),
        ];
        Self {
            program,
            environment,
            ready: format!("http://127.0.0.1:{}/healthz", ports[0]),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.environment.push((name, value));
    }

    async fn serve(&self) -> Process {
        let environment = self.environment.iter().map(|(n, v)| (*n, v.as_str()));
        let process = Process::start(&self.program, &[], self.folder.path(), environment);
        process.wait_until_ready(&self.ready).await;
        process
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let pairs = self.environment.iter();
        let environment: Vec<_> = pairs.map(|(n, v)| (*n, v.as_str())).collect();
        run_to_end(&self.program, arguments, self.folder.path(), &environment)
    }

    #[track_caller]
    fn must(&self, code: i32, arguments: &[&str]) -> String {
        let (status, said) = self.run(arguments);
        assert_eq!(status, Some(code), "{arguments:?}: {said}");
        said
    }

    /// Names of the databases and the versions applied in each.
    fn versions(&self) -> BTreeSet<String> {
        let files = std::fs::read_dir(self.folder.path().join("data")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let databases = paths.filter(|path| path.extension().is_some_and(|end| end == "db"));
        databases.flat_map(|path| versions_of(&path)).collect()
    }
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

fn versions_of(database: &Path) -> Vec<String> {
    let mut conn = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    let sql = "SELECT version FROM __diesel_schema_migrations";
    let rows: Vec<Version> = sql_query(sql).load(&mut conn).unwrap();
    let name = database.file_stem().unwrap().to_str().unwrap();
    let of = |row: Version| format!("{name} {}", row.version);
    rows.into_iter().map(of).collect()
}

fn sites() -> impl Iterator<Item = Site> {
    let services = SERVICES.into_iter().map(|(service, _)| program_of(service));
    services.chain([standalone()]).map(Site::new)
}

#[tokio::test]
async fn a_running_program_is_not_reverted_and_a_killed_one_is() {
    for site in sites() {
        let process = site.serve().await;
        let before = site.versions();
        let databases = if site.program.ends_with("standalone") {
            5
        } else {
            1
        };
        // A look at what would be undone is refused to nobody.
        let shown = site.must(64, &["migrate", "--revert"]);
        let said = site.must(70, &["migrate", "--revert", "--yes"]);
        assert!(said.contains(".db is in use"), "{said}");
        assert_eq!(site.versions(), before);
        process.kill();

        let said = site.must(64, &["migrate", "--revert"]);
        assert_eq!(said, shown);
        assert_eq!(said.matches("would undo").count(), databases, "{said}");
        let statements = said.matches("\n  ").count();
        assert!(statements >= databases && said.contains("--yes"), "{said}");
        assert_eq!(site.versions(), before);
        let done = site.must(0, &["migrate", "--revert", "--yes"]);
        assert_eq!(done.matches(": undone").count(), databases, "{done}");
        let gone: Vec<_> = before.difference(&site.versions()).cloned().collect();
        assert_eq!(gone.len(), databases, "{gone:?}");
        for version in gone {
            let version = version.split(' ').next_back().unwrap();
            assert!(said.contains(version), "{version}: {said}");
        }
        // The next start applies it again.
        drop(process);
        drop(site.serve().await);
        assert_eq!(site.versions(), before);
    }
}

#[tokio::test]
async fn standalone_is_reverted_whole_or_not_at_all() {
    let site = Site::new(standalone());
    drop(site.serve().await);
    let before = site.versions();
    // One of the databases is in use, the last that is asked for.
    let mut other = Site::new(program_of(Service::Profile));
    let data = site.folder.path().join("data");
    let database = data.join("profile.db");
    let ring = data.join("keys/key-encryption");
    other.set("KEY_ENCRYPTION_KEYS_FILE", ring.display().to_string());
    other.set("DATABASE_URL", format!("sqlite://{}", database.display()));
    let process = other.serve().await;
    let said = site.must(70, &["migrate", "--revert", "--yes"]);
    assert!(said.contains("profile.db is in use"), "{said}");
    assert_eq!(site.versions(), before);
    // The others can be.
    let said = site.must(
        0,
        &[
            "migrate", "--revert", "--yes", "--of", "role", "--of", "audit",
        ],
    );
    let gone: BTreeSet<_> = before.difference(&site.versions()).cloned().collect();
    assert_eq!(gone.len(), 2, "{said}");
    assert!(
        gone.iter()
            .all(|version| version.starts_with("role ") || version.starts_with("audit "))
    );
    process.kill();

    for arguments in [
        // A version is one service's.
        &["migrate", "--revert=00000000000101"][..],
        &["migrate", "--revert=00000000000101", "--yes"],
        &["migrate", "--revert", "--of", "auth"],
    ] {
        let before = site.versions();
        site.must(64, arguments);
        assert_eq!(site.versions(), before);
    }
    for arguments in [
        &["migrate", "--yes"][..],
        &["migrate", "--of", "role"],
        &["migrate", "--revert", "--of", "nobody"],
        &["migrate", "--revert", "00000000000101"],
    ] {
        site.must(2, arguments);
    }
    let said = site.must(
        70,
        &[
            "migrate",
            "--revert=00000000000101",
            "--of",
            "auth",
            "--yes",
        ],
    );
    assert!(said.contains("was applied after"), "{said}");
}

#[test]
fn where_there_is_nothing_nothing_is_made() {
    for site in sites() {
        for arguments in [
            &["migrate", "--revert"][..],
            &["migrate", "--revert", "--yes"],
        ] {
            let said = site.must(78, arguments);
            assert!(said.contains(".db"), "{said}");
        }
        let files = std::fs::read_dir(site.folder.path()).unwrap();
        assert_eq!(files.count(), 0, "{}", site.program.display());
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[case(Backend::Mysql)]
fn of_two_at_once_one_undoes_the_version_they_name(#[case] backend: Backend) {
    const LAST: &str = "--revert=00000000000206";
    let database = TestDatabase::create(backend);
    let mut site = Site::new(program_of(Service::Role));
    site.set("DATABASE_URL", database.url.clone());
    if backend != Backend::Sqlite {
        // An empty database.
        let said = site.must(0, &["migrate", "--revert"]);
        assert!(said.contains("no migration to undo"), "{said}");
    }
    for _ in 0..3 {
        site.must(0, &["migrate"]);
        let shown = site.must(64, &["migrate", LAST]);
        assert!(shown.contains("DROP TABLE user_standings;"), "{shown}");
        let codes = thread::scope(|scope| {
            let tries = [(); 4].map(|()| scope.spawn(|| site.run(&["migrate", LAST, "--yes"])));
            tries.map(|one| one.join().unwrap())
        });
        let undone = codes.iter().filter(|(code, _)| *code == Some(0));
        assert_eq!(undone.count(), 1, "{codes:?}");
        for (code, said) in &codes {
            let is_right = match code {
                Some(0) => said.contains("role: undone"),
                Some(70) if said.contains("is in use") => backend == Backend::Sqlite,
                Some(70) => said.contains("is not applied"),
                _ => false,
            };
            assert!(is_right, "{code:?}: {said}");
        }
    }
    // All of it, the shared tables last, until there is nothing.
    let mut said = String::new();
    while !said.contains("no migration to undo") {
        said = site.must(0, &["migrate", "--revert", "--yes"]);
    }
    site.must(0, &["migrate", "--revert"]);
    site.must(0, &["migrate"]);
}
