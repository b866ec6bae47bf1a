//! Who may write and who may read what.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use testkit::Backend;
use ud_events::EventType;

use crate::{
    service::{AUDITS, Answer, Running, body},
    world::user,
};

#[rstest]
#[tokio::test]
async fn anonymous_callers_get_401_everywhere(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let id = user();
    let one = format!("{AUDITS}/{id}");
    for (method, path) in [
        (Method::POST, AUDITS),
        (Method::GET, AUDITS),
        (Method::GET, &one),
    ] {
        let answer = Answer::of(app.call(method.clone(), path, "").json(&body())).await;
        answer.is(401, "auth.token-missing");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let answer = Answer::of(app.call(method, path, "rubbish").json(&body())).await;
        answer.is(401, "auth.token-invalid");
    }
    assert!(app.log().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn writing_needs_its_permission_and_names_the_writer(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    for permissions in [&[][..], &["audits:read"], &["users:write", "audits:writer"]] {
        let answer = app.post(&app.token(user(), permissions), &body()).await;
        answer.is(403, "auth.permission-denied");
    }

    let (writer, token) = app.writer();
    let somebody = user();
    let mut asked = body();
    asked["actor_id"] = json!(somebody);
    asked["metadata"] = json!({"total": 12.50, "lines": ["a", {"b": null}]});
    let request = app.call(Method::POST, AUDITS, &token).json(&asked);
    let created = Answer::of(request.header("user-agent", "shop/1")).await;
    assert_eq!(created.status, 201, "{:?}", created.body);
    let record = &created.body;
    let expected = json!({
        "id": record["id"], "seq": record["seq"], "action": "order_placed", "actor_id": somebody,
        "target_type": "order", "target_id": "o-1", "outcome": "success", "reported_by": writer,
        "ip": "127.0.0.1", "user_agent": "shop/1", "request_id": created.header("x-request-id"),
        "metadata": {"total": 12.5, "lines": ["a", {"b": null}]},
        "occurred_at": app.clock.now(), "recorded_at": app.clock.now(),
    });
    assert_eq!(*record, expected, "{}", app.database.backend);
    let path = format!("{AUDITS}/{}", record["id"].as_str().unwrap());
    assert_eq!(created.header("location"), Some(&*path));

    for token in [
        app.reader(),
        app.token(somebody, &[]),
        app.token(user(), &["*"]),
    ] {
        let read = app.get(&path, &token).await;
        assert_eq!((read.status, &read.body), (200, record));
    }
    // Not even who wrote it, when it tells of another.
    app.get(&path, &token)
        .await
        .is(404, "audit.record-not-found");
}

#[rstest]
#[tokio::test]
async fn without_the_permission_everybody_sees_their_own_deeds_only(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let backend = app.database.backend;
    let (_, writer) = app.writer();
    let (ann, bob) = (user(), user());
    let mut ids = Vec::new();
    for actor in [Some(ann), Some(bob), None, Some(ann), Some(bob)] {
        let mut asked = body();
        asked["actor_id"] = json!(actor);
        let created = app.post(&writer, &asked).await;
        ids.push(created.body["id"].as_str().unwrap().to_owned());
    }
    let token = app.token(ann, &["audits:write", "users:read"]);
    let own = [ids[3].as_str(), &ids[0]];
    for query in [
        String::new(),
        format!("?actor_id={bob}"),
        format!("?actor_id={ann}&action=order_placed"),
        "?target_id=o-1".to_owned(),
    ] {
        let page = app.get(&format!("{AUDITS}{query}"), &token).await;
        assert_eq!(
            (page.status, page.ids()),
            (200, own.to_vec()),
            "{backend} {query}"
        );
        assert_eq!(page.body["next_cursor"], json!(null));
    }
    for (id, status) in ids.iter().zip([200, 404, 404, 200, 404]) {
        let read = app.get(&format!("{AUDITS}/{id}"), &token).await;
        assert_eq!(read.status, status, "{backend}");
    }
    // What is there but foreign looks like what is not there.
    let foreign = app.get(&format!("{AUDITS}/{}", ids[1]), &token).await;
    let missing = app.get(&format!("{AUDITS}/{}", user()), &token).await;
    foreign.is(404, "audit.record-not-found");
    missing.is(404, "audit.record-not-found");
    assert_eq!(foreign.body["detail"], missing.body["detail"]);

    // A cursor is a place and no right. (The refusals above are ann's deeds too, as soon as they are written.)
    let placed = format!("{AUDITS}?action=order_placed");
    let next = async |path: &str, token: &str| {
        let page = app.get(path, token).await;
        page.body["next_cursor"].as_str().unwrap().to_owned()
    };
    let cursor = next(&format!("{placed}&limit=1"), &app.reader()).await;
    let page = app.get(&format!("{placed}&cursor={cursor}"), &token).await;
    assert_eq!(page.ids(), own, "{backend}");
    let cursor = next(&format!("{placed}&limit=1"), &token).await;
    let path = format!("{placed}&cursor={cursor}&actor_id={ann}");
    let page = app.get(&path, &app.token(bob, &[])).await;
    assert_eq!(
        page.ids(),
        [ids[1].as_str()],
        "{backend}: before ann's last deed"
    );
}

#[rstest]
#[tokio::test]
async fn readers_page_and_filter_everything(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let backend = app.database.backend;
    let (_, writer) = app.writer();
    let ann = user();
    let mut ids = Vec::new();
    for n in 0..7 {
        let mut asked = body();
        asked["actor_id"] = json!((n % 2 == 0).then_some(ann));
        asked["target_id"] = json!(format!("o {}", n % 3));
        asked["action"] = json!(["order_placed", "order_paid"][n % 2]);
        ids.insert(
            0,
            app.post(&writer, &asked).await.body["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        app.clock.advance(std::time::Duration::from_secs(1));
    }
    let reader = app.reader();
    let mut seen: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        // The log grows by the reader's own reads; they are not among what is asked for.
        let path = format!("{AUDITS}?limit=2&from=2023-11-14T22:13:20Z{cursor}");
        let page = app.get(&path, &reader).await;
        let items = page
            .ids()
            .into_iter()
            .filter(|id| ids.iter().any(|i| i == id));
        seen.extend(items.map(str::to_owned));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids, "{backend}");

    for (query, expected) in [
        (format!("actor_id={ann}"), &[0, 2, 4, 6][..]),
        ("target_id=o%201".to_owned(), &[2, 5]),
        ("target_id=o+1&action=order_paid".to_owned(), &[5]),
        ("action=order_paid".to_owned(), &[1, 3, 5]),
        (format!("actor_id={}", user()), &[]),
        (
            "action=order_placed&from=2023-11-15T00:13:22%2B02:00&to=2023-11-14T22:13:26Z"
                .to_owned(),
            &[2, 4],
        ),
    ] {
        let page = app.get(&format!("{AUDITS}?{query}"), &reader).await;
        let expected: Vec<_> = expected.iter().map(|i| ids[*i].as_str()).collect();
        assert_eq!(page.ids(), expected, "{backend} {query}");
    }
}

#[rstest]
#[tokio::test]
async fn the_platforms_own_events_cannot_be_forged(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let token = app.token(user(), &["*"]);
    for kind in EventType::all() {
        let mut asked = body();
        asked["action"] = json!(kind);
        app.post(&token, &asked)
            .await
            .is(422, "audit.action-reserved");
    }
    for (member, value) in [
        ("reported_by", json!("profile")),
        ("id", json!(user())),
        ("seq", json!(1)),
        ("occurred_at", json!(app.clock.now())),
        ("recorded_at", json!(app.clock.now())),
        ("ip", json!("192.0.2.1")),
    ] {
        let mut asked = body();
        asked[member] = value;
        let answer = app.post(&token, &asked).await;
        answer.is(422, "request.validation-failed");
        assert_eq!(
            answer.body["errors"][0]["code"], "field.unknown",
            "{member}"
        );
    }
    assert!(app.log().await.is_empty(), "{}", app.database.backend);
}

#[rstest]
#[tokio::test]
async fn nothing_changes_or_removes_a_record(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let app = Running::on(backend).await;
    let token = app.token(user(), &["*"]);
    let created = app.post(&token, &body()).await;
    let one = format!("{AUDITS}/{}", created.body["id"].as_str().unwrap());
    for (path, allow) in [(AUDITS, "POST, GET"), (&one, "GET")] {
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = Answer::of(app.call(method, path, &token).json(&body())).await;
            answer.is(405, "request.method-not-allowed");
            assert_eq!(answer.header("allow"), Some(allow));
        }
    }
    let read = app.get(&one, &token).await;
    assert_eq!(read.body, created.body, "{}", app.database.backend);
}

#[rstest]
#[tokio::test]
async fn an_idempotency_key_stands_for_one_record(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    const KEY: &str = "0123456789abcdef";
    let app = Running::on(backend).await;
    let (_, ann) = app.writer();
    let (_, bob) = app.writer();
    let first = app.post_with_key(&ann, &body(), KEY).await;
    assert_eq!(first.status, 201);
    let again = app.post_with_key(&ann, &body(), KEY).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("location"), first.header("location"));
    let mut other = body();
    other["target_id"] = json!("o-2");
    let reused = app.post_with_key(&ann, &other, KEY).await;
    reused.is(422, "request.idempotency-key-reused");
    let bobs = app.post_with_key(&bob, &body(), KEY).await;
    assert_eq!(bobs.status, 201);
    assert_ne!(bobs.body["id"], first.body["id"]);
    assert_eq!(app.log().await.len(), 2, "{}", app.database.backend);

    let asked = body();
    let many = (0..32).map(|_| app.post_with_key(&ann, &asked, "another-key-0123456789"));
    let many = futures_util::future::join_all(many).await;
    assert!(
        many.iter()
            .all(|a| a.status == 201 && a.body == many[0].body)
    );
    assert_eq!(app.log().await.len(), 3, "{}", app.database.backend);
}
