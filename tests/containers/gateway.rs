//! NGINX's image: it finds services by name, whenever they come, and takes certificates.

use std::{fs, net::Ipv4Addr, time::Duration};

use end_to_end::{Client, SecretScanner, eventually};
use rcgen::{CertificateParams, KeyPair};

use crate::stack::Project;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_is_absent_at_the_start_is_found_when_it_comes_and_when_it_has_moved() {
    let project = Project::new(2, &[]);
    project.run(&["up", "--detach", "--wait", "gateway"]);
    let client = Client::new(
        project.gateway(),
        Ipv4Addr::LOCALHOST,
        SecretScanner::default(),
    );
    let _ = client.get("/healthz").await.must(200);
    let absent = client.get("/.well-known/jwks.json").await;
    assert_eq!(
        (absent.status, absent.code()),
        (503, Some("server.dependency-unavailable"))
    );

    project.run(&["up", "--detach", "--wait", "auth"]);
    let keys = || async {
        let answer = client.get("/.well-known/jwks.json").await;
        (answer.status == 200).then_some(())
    };
    eventually(PATIENCE, "auth is found", keys).await;

    // A second container takes another address; the first ends.
    let address = |container: &str| {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        crate::stack::inspect(container, format)
    };
    let old = project.run(&["ps", "--quiet", "auth"]);
    let before = address(&old);
    let scaled = [
        "up",
        "--detach",
        "--wait",
        "--no-deps",
        "--no-recreate",
        "--scale",
        "auth=2",
        "auth",
    ];
    project.run(&scaled);
    crate::stack::docker(&["stop", &old]);
    crate::stack::docker(&["rm", &old]);
    let new = project.run(&["ps", "--quiet", "auth"]);
    assert_ne!(address(&new), before);
    eventually(PATIENCE, "auth is found again", keys).await;
}

#[tokio::test]
async fn mounted_certificates_make_it_https() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let tls = folder.path().join("tls");
    fs::create_dir(&tls).unwrap();
    fs::write(tls.join("fullchain.pem"), certificate.pem()).unwrap();
    fs::write(tls.join("key.pem"), key.serialize_pem()).unwrap();
    let file = folder.path().join("tls.yml");
    let text = format!(
        "services:\n  gateway:\n    ports: !override [\"127.0.0.1:0:8443\"]\n    volumes: [\"{}:/etc/user-domain/tls:ro\"]\n",
        tls.display()
    );
    fs::write(&file, text).unwrap();
    // The container's user reads them by the mode, as docs/deployment/docker.md says.
    let project = Project::new(3, &[&file]);
    project.run(&["up", "--detach", "--wait", "gateway"]);
    let port = project.run(&["port", "gateway", "8443"]);
    let port = port.rsplit_once(':').unwrap().1.to_owned();
    let root = reqwest::Certificate::from_pem(certificate.pem().as_bytes()).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    let client = builder.build().unwrap();
    let url = format!("https://localhost:{port}/healthz");
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("strict-transport-security"));
}
