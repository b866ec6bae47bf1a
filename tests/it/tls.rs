//! TLS on the listeners of the real programs, and between them (SECURITY rule 28).

use std::{fs, path::Path, time::Duration};

use end_to_end::{Gateway, eventually, program_of, standalone};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use testkit::{Process, Signal, TestIdentities, free_ports};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use ud_kernel::{Clock, Service};

/// Makes `tls.crt` and `tls.key` for `127.0.0.1` in `folder`, and a client that trusts the certificate alone.
fn certificate(folder: &Path) -> reqwest::Client {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
    fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
    let root = reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    let builder = reqwest::Client::builder().no_proxy();
    builder.tls_certs_only([root]).build().unwrap()
}

/// The body of `url` once it answers 200.
async fn body_of(client: &reqwest::Client, url: &str, process: &Process) -> Value {
    let what = format!("{url} answers");
    eventually(Duration::from_secs(30), &what, || async {
        assert!(process.is_running(), "{}", process.output());
        let answer = client.get(url).send().await.ok()?;
        if answer.status() != 200 {
            return None;
        }
        answer.json().await.ok()
    })
    .await
}

/// Standalone with the certificate in `folder`, ready, and its public port.
async fn over_tls(folder: &Path, client: &reqwest::Client) -> (Process, u16) {
    let port = free_ports(1)[0];
    let environment = [
        ("PORT", port.to_string()),
        ("BCRYPT_COST", "4".to_owned()),
        ("TLS_CERT_FILE", "tls.crt".to_owned()),
        ("TLS_KEY_FILE", "tls.key".to_owned()),
    ];
    let process = Process::start(&standalone(), &[], folder, environment);
    let ready = format!("https://127.0.0.1:{port}/readyz");
    body_of(client, &ready, &process).await;
    (process, port)
}

#[tokio::test]
async fn standalone_serves_https() {
    let folder = tempfile::tempdir().unwrap();
    let client = certificate(folder.path());
    let (process, port) = over_tls(folder.path(), &client).await;
    let base = format!("https://127.0.0.1:{port}");
    // Its services find each other, and it tells the right address.
    let file = folder.path().join("data/initial-admin-password");
    let url = format!("{base}/api/v1/auth/login");
    let claims = eventually(Duration::from_secs(30), "an administrator", || async {
        let password = fs::read_to_string(&file).ok()?;
        let body = json!({"identifier": "admin@localhost", "password": password.trim()});
        let answer = client.post(&url).json(&body).send().await.ok()?;
        let tokens: Value = answer.json().await.ok()?;
        let claims = end_to_end::claims_of(tokens["access_token"].as_str()?);
        (claims["permissions"] == json!(["*"])).then_some(claims)
    })
    .await;
    assert_eq!(claims["iss"], base);
    let output = process.output();
    assert!(output.contains(&base), "{output}");
    let plain = testkit::http_get(&format!("http://127.0.0.1:{port}/healthz")).await;
    assert!(!matches!(plain, Ok((200, _))), "{plain:?}");
    speaks_no_old_tls(port).await;
}

/// A ClientHello without the extension that came with TLS 1.3: `version` is the newest it offers (RFC 5246, section
/// 7.4.1.2). It has suites of TLS 1.2 and of what was before it.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x09, 0xc0, 0x13];
    let groups = [0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17];
    let points = [0x00, 0x0b, 0x00, 0x02, 0x01, 0x00];
    let signatures = [0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x04, 0x03, 0x08, 0x04];
    let extensions = [groups.as_slice(), &points, &signatures].concat();
    let with_length = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap();
        [length.to_be_bytes().as_slice(), bytes].concat()
    };
    let random = [7; 32];
    let no_session_id = [0];
    let no_compression = [1, 0];
    let body = [
        version.as_slice(),
        &random,
        &no_session_id,
        &with_length(&suites),
        &no_compression,
        &with_length(&extensions),
    ]
    .concat();
    let handshake = [[1, 0].as_slice(), &with_length(&body)].concat();
    [[0x16, 3, 1].as_slice(), &with_length(&handshake)].concat()
}

/// Offers TLS 1.2 to a port of 127.0.0.1, which is taken, and TLS 1.1 and 1.0, which are not.
async fn speaks_no_old_tls(port: u16) {
    for (version, is_spoken) in [([3, 3], true), ([3, 2], false), ([3, 1], false)] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&client_hello(version)).await.unwrap();
        let mut answer = [0; 7];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut answer));
        read.await.unwrap().unwrap();
        let (record, content) = (answer[0], &answer[5..]);
        if is_spoken {
            assert_eq!(
                (record, content[0]),
                (0x16, 2),
                "no ServerHello: {answer:x?}"
            );
        } else {
            // A fatal alert: protocol_version.
            assert_eq!((record, content), (0x15, [2, 70].as_slice()), "{answer:x?}");
        }
    }
}

#[tokio::test]
async fn the_gateway_speaks_tls_as_its_file_offers() {
    let folder = tempfile::tempdir().unwrap();
    let client = certificate(folder.path());
    let (own, nobody) = {
        let ports = free_ports(2);
        (ports[0], ports[1])
    };
    let gateway = Gateway::start_over_tls(
        &folder.path().join("nginx"),
        own,
        &Service::ALL.map(|service| (service.as_str(), nobody)),
        &folder.path().join("tls.crt"),
        &folder.path().join("tls.key"),
    );
    let base = format!("https://127.0.0.1:{own}");
    body_of(&client, &format!("{base}/healthz"), gateway.process()).await;
    // What it answers itself, a page that is not there, and a service that does not answer.
    for (path, status) in [("/healthz", 200), ("/nowhere", 404), ("/api/v1/users", 503)] {
        let answer = client.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let told = answer.headers().get_all("strict-transport-security");
        let told: Vec<_> = told.iter().collect();
        assert_eq!(told, ["max-age=31536000; includeSubDomains"], "{path}");
    }
    speaks_no_old_tls(own).await;
    let plain = testkit::http_get(&format!("http://127.0.0.1:{own}/healthz")).await;
    assert!(!matches!(plain, Ok((200, _))), "{plain:?}");
}

/// How many follow session's revocation feed.
async fn subscribers(client: &reqwest::Client, metrics: &str) -> String {
    let told = client.get(metrics).send().await.unwrap().text().await;
    let gauge = "revocation_feed_subscribers{service=\"session\"} ";
    let told = told.unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix(gauge));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn services_call_each_other_by_https_and_check_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let client = certificate(folder.path());
    fs::write(
        folder.path().join("other.crt"),
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .cert
            .pem(),
    )
    .unwrap();
    TestIdentities::new(Clock::system()).write_to(folder.path());
    let ports = free_ports(6);
    let session = ports[1];
    let start = |service, ports: &[u16], authorities: &str| {
        let own_key = TestIdentities::key_file(folder.path(), service);
        let environment = [
            ("APP_ENV", "development".to_owned()),
            ("IDENTITY_KEY_FILE", own_key.display().to_string()),
            ("IDENTITY_PEERS_FILE", "peers.json".to_owned()),
            ("PORT", ports[0].to_string()),
            ("INTERNAL_PORT", ports[1].to_string()),
            ("TLS_CERT_FILE", "tls.crt".to_owned()),
            ("TLS_KEY_FILE", "tls.key".to_owned()),
            ("SESSION_URL", format!("https://127.0.0.1:{session}")),
            ("AUTH_URL", "https://127.0.0.1:1".to_owned()),
            ("DATABASE_URL", format!("sqlite://{}.db", ports[0])),
            // Which authorities are trusted is the system's to say, as with any program.
            ("SSL_CERT_FILE", authorities.to_owned()),
        ];
        Process::start(&program_of(service), &[], folder.path(), environment)
    };
    let url = |ports: &[u16]| format!("https://127.0.0.1:{}/readyz", ports[1]);
    let session = start(Service::Session, &ports[0..2], "tls.crt");
    body_of(&client, &url(&ports), &session).await;
    // The feed is a WebSocket under the same rules (`wss`).
    let metrics = format!("https://127.0.0.1:{}/metrics", ports[1]);
    for (authorities, ports, reached, revocation) in [
        ("tls.crt", &ports[2..4], "up", "feed"),
        ("other.crt", &ports[4..6], "down", "asking"),
    ] {
        let role = start(Service::Role, ports, authorities);
        let wait = eventually(Duration::from_secs(30), "the feed is followed", || async {
            let ready = body_of(&client, &url(ports), &role).await;
            let check = &ready["checks"][0];
            (check["revocation"] == revocation).then(|| check.clone())
        });
        let check = wait.await;
        assert_eq!(check["services"]["session"], reached, "{check}");
        // Nobody follows who does not trust the certificate; it was tried.
        let is_refused = reached == "down";
        let wanted = if is_refused { "0" } else { "1" };
        eventually(Duration::from_secs(30), "who follows", || async {
            let is_told = role.output().contains("the revocation feed ended");
            let followers = subscribers(&client, &metrics).await;
            (is_told == is_refused && followers == wanted).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_machine_without_authorities_will_do_where_nothing_is_https() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_ports(1)[0];
    for (url, starts) in [("http://127.0.0.1:1", true), ("https://127.0.0.1:1", false)] {
        let environment = [
            ("APP_ENV", "development"),
            ("PORT", &port.to_string()),
            ("INTERNAL_PORT", "0"),
            ("AUTH_URL", url),
            ("SSL_CERT_FILE", "/dev/null"),
        ];
        let program = program_of(Service::Role);
        let process = Process::start(&program, &[], folder.path(), environment);
        if starts {
            let healthy = format!("http://127.0.0.1:{port}/healthz");
            process.wait_until_ready(&healthy).await;
        } else {
            assert_eq!(
                process.wait().await.code(),
                Some(78),
                "{}",
                process.output()
            );
        }
    }
}

/// Whether a new connection to `url` is trusted by `client` and answered.
async fn is_served(client: &reqwest::Client, url: &str) -> bool {
    let answer = client.get(url).header("connection", "close").send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn a_renewed_certificate_is_read_at_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let first = certificate(folder.path());
    let (process, port) = over_tls(folder.path(), &first).await;
    let url = format!("https://127.0.0.1:{port}/healthz");

    let second = certificate(folder.path());
    assert_eq!(first.get(&url).send().await.unwrap().status(), 200);
    process.signal(Signal::HUP);
    process.wait_for_line("was read again").await;
    assert!(is_served(&second, &url).await);
    // The first client keeps the connection it has: a renewal ends nobody's.
    assert_eq!(first.get(&url).send().await.unwrap().status(), 200);

    // A file that is half written, or of another key, changes nothing.
    let whole = fs::read(folder.path().join("tls.crt")).unwrap();
    fs::write(folder.path().join("tls.crt"), &whole[..whole.len() / 2]).unwrap();
    process.signal(Signal::HUP);
    let line = process.wait_for_line("stays as it was").await;
    assert!(line.contains("tls.crt"), "{line}");
    assert!(is_served(&second, &url).await);
    process.terminate();
    assert_eq!(process.wait().await.code(), Some(0));
}
