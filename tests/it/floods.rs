//! What a flood of strangers leaves behind: in the audit log (SECURITY rule 33), and in the log.

use std::{net::Ipv6Addr, time::Duration};

use end_to_end::{Kind, Options, Platform, eventually, raw_request, rounds};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use ud_kernel::Code;

use crate::audit_log::AuditLog;

async fn start() -> Platform {
    Options::new(Kind::Standalone)
        .set("TRUSTED_PROXIES", "127.0.0.1")
        .set("LIMIT_REFRESH", "1/3600")
        .start()
        .await
}

/// Refreshes with rubbish from `address(0)`, `address(1)`, ...: those that were refused for coming too often.
async fn flood(platform: &Platform, count: usize, address: impl Fn(usize) -> String) -> usize {
    let ask = |n| {
        let call = platform.client.post("/api/v1/auth/refresh");
        let call = call.header("x-forwarded-for", &address(n));
        call.json(&json!({"refresh_token": "udr_AAAA"}))
    };
    let statuses = stream::iter(0..count).map(|n| async move { ask(n).await.status });
    let statuses: Vec<_> = statuses.buffer_unordered(8).collect().await;
    statuses.iter().filter(|status| **status == 429).count()
}

/// Finding 7: 6,000 requests from one /64 were 6,000 records.
#[tokio::test]
async fn strangers_leave_few_records_and_hide_nothing() {
    let count = rounds(600, 6000);
    let platform = start().await;
    let client = &platform.client;
    let (_, login) = client.newcomer_in().await;
    // So far back that no window holds it, however fast the flood is.
    let mut newest = client.refresh(&login).await;
    for _ in 0..9 {
        newest = client.refresh(&newest).await;
    }

    let one_subscriber = |n: usize| Ipv6Addr::from((0x2001_0db8_u128 << 96) + n as u128);
    let refused = flood(&platform, count, |n| one_subscriber(n).to_string()).await;
    assert_eq!(refused, count - 1, "a /64 is one source");
    let subscribers = |n: usize| Ipv6Addr::from((0x2001_0db9_u128 << 96) + ((n as u128) << 64));
    let refused = flood(&platform, 2 * count, |n| {
        format!("[{}]:{}", subscribers(n / 2), 1024 + n)
    })
    .await;
    assert_eq!(refused, count, "each /64 is another source");
    let addresses = |n: usize| format!("198.18.{}.{}", n / 500, n / 2 % 250);
    let refused = flood(&platform, 2 * count, addresses).await;
    assert_eq!(refused, count);

    // Meanwhile somebody comes with a token of before, and an administrator looks at a user.
    let reuse = client.try_refresh(&login.refresh).await;
    reuse.must_be(Code::AUTH_REFRESH_TOKEN_INVALID);
    let path = format!("/api/v1/users/{}", login.user);
    let read = client.get(&path).bearer(&platform.admin.access).await;
    let read = platform
        .record_of_request("admin_read", &read.must(200))
        .await;
    assert!(count_of(&read).is_none(), "singly: {read}");
    let reused = platform
        .audited("refresh_token_reused", &login.session)
        .await;
    assert_eq!(reused["actor_id"], login.user.as_str());

    // The flood is in the log by now, less what the running minute still counts (`ud_service::SecurityLog`): two hundred
    // in each minute it touched, and a sum or two.
    let records = refusals(&platform).await.len();
    assert!((20..=2 * 203).contains(&records), "{records}");
}

/// All records of limits that were reached.
async fn refusals(platform: &Platform) -> Vec<Value> {
    let (mut records, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/audits?action=rate_limited&limit=200{cursor}");
        let page = platform.client.get(&path).bearer(&platform.admin.access);
        let page = page.await.must(200);
        records.extend(page.items());
        match page.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return records,
        }
    }
}

/// How many a record stands for, if it is a sum.
fn count_of(record: &Value) -> Option<u64> {
    record["metadata"]["details"]["count"].as_u64()
}

/// Finding 18: 60 KB of path were 120 KB of log.
#[tokio::test]
async fn a_long_path_is_in_the_log_once_and_in_part() {
    let platform = start().await;
    let marker = "a-path-of-some-length";
    let path = format!("/{marker}/{}", "x".repeat(14_000));
    let answer = platform.client.get(&path).unchecked().await;
    assert_eq!(answer.status, 404);
    let logs = eventually(Duration::from_secs(5), "a line of that request", || async {
        Some(platform.logs()).filter(|logs| logs.contains(marker))
    })
    .await;
    let lines: Vec<_> = logs.lines().filter(|line| line.contains(marker)).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].matches(marker).count(), 1);
    assert!(lines[0].len() < 700, "{}", lines[0]);
}

/// Report C01 and finding 4: behind a proxy that nobody trusts everybody is one client, and nothing said so.
#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_reported_once() {
    let platform = Options::new(Kind::Standalone).start().await;
    let port = platform.directory.gateway_port();
    let sent = "GET /healthz HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9";
    assert!(!platform.logs().contains("TRUSTED_PROXIES"));
    for _ in 0..20 {
        assert_eq!(raw_request(port, sent, b"").await.status, 200);
    }
    let logs = eventually(Duration::from_secs(5), "a warning", || async {
        Some(platform.logs()).filter(|logs| logs.contains("TRUSTED_PROXIES"))
    })
    .await;
    let warnings = logs.lines().filter(|line| line.contains("TRUSTED_PROXIES"));
    let warnings: Vec<_> = warnings.collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("warn"));
    assert!(!warnings[0].contains("203.0.113.9"));
}
