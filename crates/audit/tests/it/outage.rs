//! The database goes away and comes back.

use diesel::connection::SimpleConnection as _;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, Proxy, TestDatabase};
use ud_db::StoreError;
use ud_kernel::Service;

use crate::{
    service::{AUDITS, Answer, Running, body},
    world::{event, user},
};

#[tokio::test]
async fn the_database_away_is_503_and_nothing_is_lost() {
    let database = TestDatabase::create(Backend::Postgres);
    let address = database
        .url
        .split_once('@')
        .unwrap()
        .1
        .split('/')
        .next()
        .unwrap();
    let proxy = Proxy::start(address.parse().unwrap());
    let through = proxy.instead_of(&database.url);
    let app = Running::start_on(database, &through).await;
    let (_, writer) = app.writer();
    let reader = app.reader();
    let service = app.identities.token(Service::Profile, Service::Audit);
    let created = app.post(&writer, &body()).await;
    assert_eq!(created.status, 201);
    let one = created.header("location").unwrap().to_owned();
    let batch = json!([serde_json::to_value(event()).unwrap()]);

    proxy.cut();
    const KEY: &str = "0123456789abcdef";
    for answer in [
        app.post(&writer, &body()).await,
        app.post_with_key(&writer, &body(), KEY).await,
        app.get(AUDITS, &reader).await,
        app.get(&one, &reader).await,
        app.send(&service, &batch).await,
    ] {
        answer.is(503, "server.store-unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.body.get("detail"), None, "no cause");
    }
    let ready = readyz(&app).await;
    assert_eq!(ready.status, 503);
    let stores = &ready.body["checks"][0]["stores"];
    assert_eq!(
        *stores,
        json!({"database": "down: unavailable", "server_key": "up"})
    );
    // What needs no database is answered as ever, and told later.
    app.post(&app.token(user(), &[]), &body())
        .await
        .is(403, "auth.permission-denied");
    app.get(&format!("{AUDITS}?limit=0"), &reader)
        .await
        .is(400, "request.invalid-parameter");

    proxy.resume();
    while readyz(&app).await.status != 200 {}
    let again = [
        app.post_with_key(&writer, &body(), KEY).await,
        app.post_with_key(&writer, &body(), KEY).await,
    ];
    assert_eq!((again[0].status, &again[0].body), (201, &again[1].body));
    assert_eq!(app.send(&service, &batch).await.status, 200);
    assert_eq!(app.get(&one, &reader).await.body, created.body);
    app.log_of("permission_denied", |log| log.len() == 1).await;
    let mut log = app.log().await;
    log.retain(|r| r.reported_by != "audit");
    assert_eq!(log.len(), 3, "what was answered 503 was not done");
}

/// PostgreSQL has no room: no request is answered 500, and no event is parked for it.
#[tokio::test]
async fn a_full_disk_is_503_and_parks_nothing() {
    let app = Running::start(TestDatabase::create(Backend::Postgres)).await;
    let (_, writer) = app.writer();
    let service = app.identities.token(Service::Profile, Service::Audit);
    let batch = json!([serde_json::to_value(event()).unwrap()]);
    // It has migrated its database when it answers.
    assert_eq!(app.post(&writer, &body()).await.status, 201);
    let sql = |statement: &'static str| {
        app.db.read(move |conn| {
            conn.batch_execute(statement)?;
            Ok::<_, StoreError>(())
        })
    };
    for raised in [
        "ERRCODE = 'disk_full', MESSAGE = 'could not extend file \"base/1/2\": No space left on device'",
        "ERRCODE = 'out_of_memory', MESSAGE = 'out of memory'",
        "ERRCODE = 'io_error', MESSAGE = 'could not fsync file \"base/1/2\": Input/output error'",
    ] {
        let function: &'static str = format!(
            "CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION USING {raised}; END $$; \
             CREATE TRIGGER no_room BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION no_room()"
        )
        .leak();
        sql(function).await.unwrap();
        for answer in [
            app.post(&writer, &body()).await,
            app.send(&service, &batch).await,
        ] {
            answer.is(503, "server.store-unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        sql("DROP TRIGGER no_room ON records").await.unwrap();
    }
    let taken = app.send(&service, &batch).await;
    assert_eq!((taken.status, &taken.body["parked"]), (200, &json!([])));
    assert_eq!(app.post(&writer, &body()).await.status, 201);
}

async fn readyz(app: &Running) -> Answer {
    let url = format!("{}/readyz", app.internal);
    Answer::of(app.http.request(Method::GET, url).json(&Value::Null)).await
}
