//! The image of the one binary: a platform by one command.

use std::{net::Ipv4Addr, time::Duration};

use end_to_end::{Client, SecretScanner, eventually, unique};

use crate::stack::{docker, inspect};

/// A container and its volume, removed when dropped.
struct Standalone {
    name: String,
}

impl Standalone {
    fn start() -> Self {
        let name = format!("user-domain-standalone-{}", unique());
        let (volume, image) = (format!("{name}:/data"), "user-domain/standalone:local");
        docker(&[
            "run",
            "--detach",
            "--name",
            &name,
            "--volume",
            &volume,
            "--publish",
            "127.0.0.1:0:8080",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            image,
        ]);
        Self { name }
    }

    async fn client(&self) -> Client {
        let health = || async {
            (inspect(&self.name, "{{.State.Health.Status}}") == "healthy").then_some(())
        };
        eventually(Duration::from_secs(60), "standalone is healthy", health).await;
        let port = docker(&["port", &self.name, "8080/tcp"]);
        let address = port.lines().next().unwrap();
        Client::new(
            format!("http://{address}"),
            Ipv4Addr::LOCALHOST,
            SecretScanner::default(),
        )
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let _ = crate::stack::try_docker(&["rm", "--force", &self.name]);
        let _ = crate::stack::try_docker(&["volume", "rm", &self.name]);
    }
}

#[tokio::test]
async fn one_command_is_a_platform_that_keeps_its_data() {
    let standalone = Standalone::start();
    let client = standalone.client().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let from = format!("{}:/data/initial-admin-password", standalone.name);
    docker(&["cp", &from, &file.display().to_string()]);
    let password = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let _ = client
        .try_log_in("admin@localhost", &password)
        .await
        .must(200);
    let (person, _) = client.newcomer_in().await;

    docker(&["stop", &standalone.name]);
    assert_eq!(inspect(&standalone.name, "{{.State.ExitCode}}"), "0");
    docker(&["start", &standalone.name]);
    let client = standalone.client().await;
    let _ = client.log_in(&person).await;
}
