//! The database goes away and comes back.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, Proxy, TestDatabase};
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
    let app = Running::start_on(database, &through);
    let (_, writer) = app.writer();
    let reader = app.reader();
    let service = app.identities.token(Service::Profile, Service::Audit);
    let created = app.post(&writer, &body()).await;
    assert_eq!(created.status, 201);
    let one = created.header("location").to_owned();
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
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.body.get("detail"), None, "no cause");
    }
    let ready = readyz(&app).await;
    assert_eq!(ready.status, 503);
    let stores = &ready.body["checks"][0]["stores"];
    assert_eq!(*stores, json!({"database": "down: unavailable"}));
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

async fn readyz(app: &Running) -> Answer {
    let url = format!("http://{}/readyz", app.internal);
    Answer::of(app.http.request(Method::GET, url).json(&Value::Null)).await
}
