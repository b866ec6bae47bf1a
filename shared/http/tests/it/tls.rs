//! TLS on the own listeners (SECURITY rule 28).

use std::fs;
use ud_kernel::StartError;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use ud_config::{HttpConfig, TlsConfig};
use ud_http::Listening;

use crate::service::{start, start_after};

/// A certificate for `127.0.0.1` in files, and in PEM for who is to trust it.
fn certificate() -> (TempDir, TlsConfig, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = TlsConfig {
        cert_file: folder.path().join("tls.crt"),
        key_file: folder.path().join("tls.key"),
    };
    fs::write(&files.cert_file, cert.pem()).unwrap();
    fs::write(&files.key_file, signing_key.serialize_pem()).unwrap();
    (folder, files, cert.pem())
}

fn client(trusted: Option<&str>) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    let roots = trusted.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
    builder.tls_certs_only(roots).build().unwrap()
}

#[tokio::test]
async fn both_listeners_speak_tls_and_nothing_else() {
    let (_folder, files, pem) = certificate();
    let service = start(|http| http.tls = Some(files)).await;
    for address in [service.public, service.internal] {
        let url = format!("https://{address}/healthz");
        let answer = client(Some(&pem)).get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let hsts = &answer.headers()["strict-transport-security"];
        assert_eq!(hsts, "max-age=31536000; includeSubDomains");
        // Who does not trust the certificate gets nowhere.
        assert!(
            client(None)
                .get(&url)
                .send()
                .await
                .unwrap_err()
                .is_connect()
        );
        // Neither does who speaks plainly.
        let mut plain = TcpStream::connect(address).await.unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        plain.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // The end may come as a reset: what matters is what was said before.
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_gives_up_its_place() {
    let (_folder, files, pem) = certificate();
    let service = start(|http| http.tls = Some(files)).await;
    let mut silent = TcpStream::connect(service.public).await.unwrap();
    let mut half = TcpStream::connect(service.public).await.unwrap();
    half.write_all(&[0x16, 0x03, 0x01, 0x02]).await.unwrap();
    // Both are taken: a connection that came later is served.
    let url = format!("https://{}/healthz", service.public);
    client(Some(&pem)).get(&url).send().await.unwrap();
    let begun = std::time::Instant::now();
    tokio::task::spawn_blocking(move || drop(service))
        .await
        .unwrap();
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    for stream in [&mut silent, &mut half] {
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or_default(), 0);
    }
}

/// SIGHUP comes when the old certificate is read already, and nobody serves yet.
#[tokio::test]
async fn a_certificate_that_is_renewed_during_the_start_is_served() {
    let (_folder, files, _) = certificate();
    let (_other_folder, renewed, pem) = certificate();
    let places = files.clone();
    let service = start_after(
        |http| http.tls = Some(files),
        || {
            fs::copy(&renewed.cert_file, &places.cert_file).unwrap();
            fs::copy(&renewed.key_file, &places.key_file).unwrap();
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP)
                .unwrap();
        },
    )
    .await;
    let url = format!("https://{}/healthz", service.public);
    let begun = std::time::Instant::now();
    while client(Some(&pem)).get(&url).send().await.is_err() {
        assert!(begun.elapsed().as_secs() < 10, "the old one is served");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_tls_there_is_no_promise_of_it() {
    let service = start(|_| {}).await;
    let answer = service.http.get(service.url("/healthz")).send().await;
    let answer = answer.unwrap();
    assert!(!answer.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn files_that_are_no_certificate_are_a_configuration_error() {
    let (_folder, good, _) = certificate();
    let (_other_folder, other, _) = certificate();
    let missing = good.cert_file.with_file_name("missing");
    let rubbish = good.cert_file.with_file_name("rubbish");
    fs::write(&rubbish, "not PEM").unwrap();
    let cases = [
        (missing.clone(), good.key_file.clone()),
        (good.cert_file.clone(), missing),
        (rubbish.clone(), good.key_file.clone()),
        (good.cert_file.clone(), rubbish),
        // A key of another certificate.
        (good.cert_file.clone(), other.key_file),
    ];
    for (cert_file, key_file) in cases {
        let http = HttpConfig {
            tls: Some(TlsConfig {
                cert_file: cert_file.clone(),
                key_file,
            }),
            ..HttpConfig::default()
        };
        let Err(error) = Listening::bind(&http) else {
            panic!("{} is taken", cert_file.display());
        };
        assert_eq!(error.exit_code(), StartError::EXIT_CONFIG, "{error}");
        assert!(!error.to_string().contains("PRIVATE KEY"), "{error}");
    }
}
