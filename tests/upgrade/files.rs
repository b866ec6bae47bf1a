//! Standalone on the files of the last release, and the way back.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection, sql_query};
use end_to_end::{Kind, Login, Options, Person, Platform, Release};
use serde_json::json;
use ud_kernel::Service;

use crate::audited::{Owed, assert_all_once};

/// Users with a session, an earlier session, a role and a name.
const USERS: usize = 12;

struct Site {
    platform: Platform,
    people: Vec<(Person, Login)>,
    role: String,
}

impl Site {
    async fn fill() -> Self {
        let options = Options::new(Kind::Standalone).of_release(Release::last());
        let platform = options.start().await;
        let (client, admin) = (&platform.client, &platform.admin.access);
        let role = json!({"name": "clerk", "description": "d", "permissions": ["orders:read"]});
        let answer = client.post("/api/v1/roles").bearer(admin).json(&role).await;
        let role = answer.must(201).text("id");
        let mut people = Vec::new();
        for _ in 0..USERS {
            let (person, login) = client.newcomer_in().await;
            let path = format!("/api/v1/users/{}", person.id);
            let name = json!({"given_name": person.username});
            let _ = client
                .patch(&path)
                .bearer(&login.access)
                .json(&name)
                .await
                .must(200);
            let wanted = json!({"user_id": person.id, "role_id": role});
            let call = client.post("/api/v1/role-assignments").bearer(admin);
            let _ = call.json(&wanted).await.must(201);
            client.log_in(&person).await;
            people.push((person, login));
        }
        let site = Self {
            platform,
            people,
            role,
        };
        site.platform.until_delivered().await;
        site
    }

    /// Everybody is there, with everything, and goes on in the session from before.
    async fn assert_all_there(&mut self) {
        let client = &self.platform.client;
        for (person, login) in &mut self.people {
            let me = client.get("/api/v1/users/me").bearer(&login.access).await;
            let me = me.must(200).json();
            assert_eq!(me["given_name"], person.username.as_str());
            assert_eq!(me["email"], person.email.as_str());
            let refreshed = client.refresh(login).await;
            assert_eq!(refreshed.session, login.session);
            assert_eq!(refreshed.claims()["roles"], json!(["clerk", "user"]));
            *login = refreshed;
            let again = client.log_in(person).await;
            let logout = client.post("/api/v1/auth/logout").bearer(&again.access);
            let _ = logout.await.must(204);
        }
        let admin = client.log_in(&self.platform.chief).await;
        let path = format!("/api/v1/roles/{}", self.role);
        let _ = client.get(&path).bearer(&admin.access).await.must(200);
    }

    /// Stops it, runs these commands of this release, and starts the program of `release`.
    async fn become_release(&mut self, release: &Release, commands: &[Vec<String>]) {
        let process = self.platform.process_mut(Service::Auth);
        let status = process.stop().await;
        assert_eq!(status.code(), Some(0), "{}", process.log());
        for command in commands {
            let words: Vec<_> = command.iter().map(String::as_str).collect();
            let (code, said) = process.run_as(&Release::This.standalone(), &words).await;
            assert_eq!(code, Some(0), "{command:?}: {said}");
            println!("  {}", said.trim_end().replace('\n', "\n  "));
        }
        process.become_program(release.standalone());
        self.platform.restart(Service::Auth).await;
        self.platform.until_delivered().await;
    }

    fn versions(&self) -> BTreeMap<Service, BTreeSet<String>> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            version: String,
        }
        let of = |service: Service| {
            let file = self.platform.folder().join(format!("data/{service}.db"));
            let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
            let rows = sql_query("SELECT version FROM __diesel_schema_migrations");
            let rows: Vec<Row> = rows.load(&mut conn).unwrap();
            (service, rows.into_iter().map(|row| row.version).collect())
        };
        Service::ALL.into_iter().map(of).collect()
    }
}

#[tokio::test]
async fn standalone_goes_on_with_the_files_of_the_last_release() {
    let last = Release::last();
    let mut site = Site::fill().await;
    let (before, versions) = (site.platform.rows(), site.versions());
    println!("standalone on SQLite, {USERS} users:");

    site.become_release(&Release::This, &[]).await;
    let lost = before.lost_in(&site.platform.rows());
    let lost: Vec<_> = lost.iter().filter(|row| !row.contains("outbox")).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    println!(
        "  every row of {} is there after the upgrade",
        before.count()
    );
    site.assert_all_there().await;

    // Back, on the new schema and on its own, and up again.
    site.become_release(&last, &[]).await;
    site.assert_all_there().await;
    let mut commands = Vec::new();
    for (service, now) in site.versions() {
        let brought: BTreeSet<_> = now.difference(&versions[&service]).collect();
        for version in brought.into_iter().rev() {
            let words = ["migrate", "--yes", "--of", service.as_str()].map(ToOwned::to_owned);
            let which = format!("--revert={version}");
            commands.push(words.into_iter().chain([which]).collect());
        }
    }
    site.become_release(&last, &commands).await;
    assert_eq!(site.versions(), versions);
    site.assert_all_there().await;
    site.become_release(&Release::This, &[]).await;
    site.assert_all_there().await;

    let mut owed = Owed::default();
    for (person, _) in &site.people {
        for action in ["user_created", "user_updated", "role_assigned"] {
            owed.owe(action, &person.id);
        }
        // Two logins at first, one at each stop.
        owed.owe_times(2 + 4, "user_logged_in", &person.id);
        owed.owe_times(4, "session_closed", &person.id);
    }
    let admin = site.platform.client.log_in(&site.platform.chief).await;
    let records = assert_all_once(&site.platform, &admin, &owed).await;
    println!("  {records} audit records, each once");
}
