//! A verifier that does not read what the revocation feed tells it.

use std::time::Duration;

use reqwest::{Method, header};
use testkit::RedisServer;
use tokio::io::AsyncWriteExt as _;
use ud_config::Durability;
use ud_jwt::revocation::Fallback;
use ud_kernel::Service;

use crate::{
    app::App,
    following::{follower, fresh, soon},
    support::{START, redis_settings},
};

/// About ten megabytes: more than the sockets of both sides hold, and what waits for them.
const ENTRIES: usize = 60_000;
const GROW: &str = r"
local id
for i = 1, tonumber(ARGV[1]) do
  local session = '01a3185c-5000-7e0e-b86f-' .. string.format('%012x', i)
  id = redis.call('XADD', KEYS[1] .. ':revocations', '*', 'until', ARGV[2], 'session', session)
end
local ms, seq = id:match('^(%d+)-(%d+)$')
redis.call('HSET', KEYS[1] .. ':store', 'last_ms', ms, 'last_seq', seq)
";

/// So many sessions are closed, all at once.
fn close_many(server: &RedisServer, namespace: &str) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let until = START.plus(Duration::from_secs(900)).as_millis();
    let mut grow = redis::cmd("EVAL");
    grow.arg(GROW).arg(1).arg(namespace).arg(ENTRIES).arg(until);
    grow.exec(&mut connection).unwrap();
}

async fn subscribers(app: &App) -> u32 {
    let url = format!("{}/metrics", app.internal);
    let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
    let gauge = "revocation_feed_subscribers{service=\"session\"} ";
    let line = metrics.lines().find_map(|line| line.strip_prefix(gauge));
    line.unwrap().parse().unwrap()
}

#[actix_web::test]
async fn who_does_not_read_is_cut_off_and_holds_up_nobody() {
    let server = RedisServer::start();
    let settings = redis_settings(&server.url(), Durability::Lossy);
    let namespace = settings.namespace.clone();
    let app = App::start_on(settings).await;
    let checker = follower(&app, &app.internal, Fallback::Closed);
    fresh(&checker).await;
    let upgrade = app
        .call(Service::Audit, Method::GET, "/internal/v1/revocations")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
    let mut slow = upgrade.send().await.unwrap().upgrade().await.unwrap();
    // It is not silent: it pings as others do, in a frame whose mask is zero, and reads nothing.
    let pinging = actix_web::rt::spawn(async move {
        let ping = br#"{"ping":1}"#;
        let frame = [&[0x81, 0x80 | ping.len() as u8, 0, 0, 0, 0][..], ping].concat();
        let mut due = tokio::time::interval(Duration::from_millis(500));
        while slow.write_all(&frame).await.is_ok() && slow.flush().await.is_ok() {
            due.tick().await;
        }
    });
    soon("both follow", || async { subscribers(&app).await == 2 }).await;
    close_many(&server, &namespace);
    soon("the other one has heard of all", || async {
        checker.counts().entries == ENTRIES
    })
    .await;
    soon("the slow one is cut off", || async {
        subscribers(&app).await == 1
    })
    .await;
    assert_eq!(checker.is_fresh(), Some(true));
    // The system's own limit for what is sent and not taken is half a minute.
    tokio::time::timeout(Duration::from_secs(60), pinging)
        .await
        .expect("its connection is closed")
        .unwrap();
}
