//! Key rings that are lost, of another installation, or open nothing: the service or standalone says which, makes no other
//! in its place, and goes on when the right one is back.

use std::{fs, path::Path, time::Duration};

use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use end_to_end::{Kind, Options, Platform, eventually};
use serde_json::{Value, json};
use testkit::{Backend, TestDatabase, http_get, new_key_ring};
use ud_kernel::Service;

use crate::data_dir::{
    Files, files_of, installation, installation_of, lay_out, refuses, remove_line, start,
    starts_as_before, stop, write_the_list_as_told,
};

const RING: &str = "keys/key-encryption";
const KEYS: [&str; 2] = [RING, "keys/refresh-token"];

fn delete(database: &Path, table: &str) {
    let mut conn = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    conn.batch_execute(&format!("DELETE FROM {table}")).unwrap();
}

#[tokio::test]
async fn foreign_rings_without_a_list_are_refused_and_not_listed() {
    let (mut platform, folder) = installation().await;
    let (_other, other_folder) = installation().await;
    let (files, others) = (files_of(&folder), files_of(&other_folder));
    let mut given = files.clone();
    given.remove("installation");
    for (name, content) in others.iter().filter(|(name, _)| name.starts_with("keys/")) {
        given.insert(name.clone(), content.clone());
    }
    lay_out(&folder, &given);
    for _ in 0..2 {
        let _ = refuses(&mut platform, &folder, RING).await;
        assert!(!folder.join("installation").exists());
    }
    for name in KEYS {
        fs::write(folder.join(name), &files[name]).unwrap();
    }
    starts_as_before(&mut platform).await;
}

/// All databases but the sessions' are on a server, and the folder is not mounted.
#[tokio::test]
async fn a_folder_that_is_gone_beside_databases_on_a_server_is_no_new_installation() {
    let mut options = Options::new(Kind::Standalone).set("AUTO_MIGRATE", "true");
    let mut databases = Vec::new();
    for service in ["AUTH", "ROLE", "AUDIT", "PROFILE"] {
        let database = TestDatabase::create(Backend::Postgres);
        options = options.set(&format!("{service}_DATABASE_URL"), &database.url);
        databases.push(database);
    }
    let (mut platform, folder) = installation_of(options).await;
    let files = files_of(&folder);

    lay_out(&folder, &Files::new());
    for _ in 0..2 {
        for name in KEYS {
            let said = refuses(&mut platform, &folder, name).await;
            assert!(said.contains("mounted"), "{said}");
        }
        let running = platform.process_mut(Service::Auth);
        let (code, said) = running.run(&["migrate"]).await;
        assert_eq!(code, Some(78), "{said}");
        assert_eq!(files_of(&folder), Files::new(), "nothing was made");
    }
    // The rings alone are not all there was.
    let mut given = files.clone();
    given.retain(|name, _| name.starts_with("keys/"));
    lay_out(&folder, &given);
    let said = refuses(&mut platform, &folder, "session.db").await;
    assert_eq!(files_of(&folder), given, "nothing was changed");
    write_the_list_as_told(&said);
    starts_as_before(&mut platform).await;
    stop(&platform).await;

    lay_out(&folder, &files);
    starts_as_before(&mut platform).await;
    stop(&platform).await;

    // What it says of going on without them.
    lay_out(&folder, &Files::new());
    let _ = refuses(&mut platform, &folder, RING).await;
    for (database, table) in [(0, "signing_keys"), (2, "server_keys"), (3, "server_keys")] {
        databases[database].execute(&format!("DELETE FROM {table}"));
    }
    starts_as_before(&mut platform).await;
}

/// Ring `k2,k1`, `rewrap` while nothing runs, ring `k2`.
#[tokio::test]
async fn a_ring_is_rotated_while_the_process_is_stopped() {
    let (mut platform, folder) = installation().await;
    let ring = folder.join(RING);
    let old = fs::read_to_string(&ring).unwrap();
    let new = new_key_ring("k2");
    fs::write(&ring, format!("{new},{}", old.trim())).unwrap();
    let (code, said) = platform.process(Service::Auth).run(&["rewrap"]).await;
    assert_eq!(code, Some(0), "{said}");
    fs::write(&ring, &new).unwrap();
    starts_as_before(&mut platform).await;
    stop(&platform).await;
    // The old one is another ring by now.
    fs::write(&ring, &old).unwrap();
    let _ = refuses(&mut platform, &folder, RING).await;
}

/// What RUNBOOK and the refusals say of a new `keys/key-encryption`, to the letter.
#[tokio::test]
async fn a_new_ring_is_made_when_nothing_is_sealed_under_the_old_one() {
    let (mut platform, folder) = installation().await;
    fs::remove_file(folder.join(RING)).unwrap();
    let _ = refuses(&mut platform, &folder, RING).await;
    remove_line(&folder, RING);
    let said = refuses(&mut platform, &folder, RING).await;
    assert!(
        said.contains("signing_keys") && said.contains("server_keys"),
        "{said}"
    );
    assert!(!folder.join(RING).exists());
    for (database, table) in [
        ("auth.db", "signing_keys"),
        ("profile.db", "server_keys"),
        ("audit.db", "server_keys"),
    ] {
        delete(&folder.join(database), table);
    }
    starts_as_before(&mut platform).await;
    stop(&platform).await;
    let list = fs::read_to_string(folder.join("installation")).unwrap();
    assert!(list.contains(RING), "{list}");
}

/// The services in development share a ring in `./data/keys`.
#[tokio::test]
async fn no_service_makes_a_ring_beside_what_is_sealed_under_another() {
    let mut options = Options::new(Kind::Services);
    let sealing = [Service::Auth, Service::Profile, Service::Audit];
    for service in sealing {
        let name = format!("{}_KEY_ENCRYPTION_KEYS", service.config_prefix());
        options = options.set_for(service, &name, "");
    }
    let mut platform = options.start().await;
    post_an_audit(&platform).await;
    let ring = platform.folder().join("data").join(RING);
    let right = fs::read_to_string(&ring).unwrap();
    for service in sealing {
        let running = platform.process_mut(service);
        fs::remove_file(&ring).unwrap();
        assert_eq!(start(running).await, Some(78), "{service}");
        let said = running.process().output();
        assert!(said.contains("data/keys/key-encryption is gone"), "{said}");
        assert!(!ring.exists(), "{service}");

        fs::write(&ring, new_key_ring("k1")).unwrap();
        assert_eq!(start(running).await, Some(78), "{service}");
        let said = running.process().output();
        assert!(
            said.contains("data/keys/key-encryption does not open"),
            "{said}"
        );

        fs::write(&ring, &right).unwrap();
        assert_eq!(start(running).await, None, "{service}");
    }
}

/// Profile and audit on a ring of their own without the old key in it.
#[tokio::test]
async fn a_configured_ring_that_opens_nothing_is_in_readyz() {
    let rings = [Service::Profile, Service::Audit].map(|service| {
        let name = format!("{}_KEY_ENCRYPTION_KEYS", service.config_prefix());
        (service, name, new_key_ring("k1"))
    });
    let mut options = Options::new(Kind::Services);
    for (service, name, ring) in &rings {
        options = options.set_for(*service, name, ring);
    }
    let mut platform = options.start().await;
    post_an_audit(&platform).await;
    for (service, name, old) in &rings {
        let new = new_key_ring("k2");
        let running = platform.process_mut(*service);
        running.set(name, &new);
        running.start_again();
        let line = running.process().wait_for_line("is not opened").await;
        assert!(line.contains("error"), "{line}");
        let url = platform.directory.of(*service).ready;
        let (status, body) = eventually(Duration::from_secs(30), "an answer", || async {
            http_get(&url).await.ok()
        })
        .await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let state = &body["checks"][0]["stores"]["server_key"];
        assert_eq!(status, 503, "{body}");
        assert!(state.to_string().contains("KEY_ENCRYPTION_KEYS"), "{body}");

        let running = platform.process_mut(*service);
        running.set(name, &format!("{new},{old}"));
        assert_eq!(start(running).await, None, "{service}");
    }
}

/// With an `Idempotency-Key`: audit seals the key under which it remembers those.
async fn post_an_audit(platform: &Platform) {
    let body = json!({
        "action": "order_placed",
        "target_type": "order",
        "target_id": "o-1",
        "outcome": "success",
    });
    let call = platform.client.post("/api/v1/audits").json(&body);
    let call = call.bearer(&platform.admin.access);
    let answer = call.header("idempotency-key", "0123456789abcdef").await;
    let _ = answer.must(201);
}
