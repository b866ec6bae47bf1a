//! One service with what it needs, and nothing else.

use std::{net::Ipv4Addr, time::Duration};

use end_to_end::{Client, SecretScanner, eventually};

use crate::stack::Project;

/// The first request of docs/deployment/docker.md to each service alone, and the status of its answer.
const FIRST: [(&str, &str, u16); 5] = [
    ("auth", "/.well-known/jwks.json", 200),
    ("role", "/api/v1/roles", 401),
    ("session", "/api/v1/sessions", 401),
    ("audit", "/api/v1/audits", 401),
    ("profile", "/api/v1/users/me", 401),
];

#[tokio::test]
async fn each_service_alone_answers_its_first_request() {
    for (index, (service, path, status)) in FIRST.into_iter().enumerate() {
        let project = Project::new(u8::try_from(index).unwrap() + 10, &[]);
        project.run(&["up", "--detach", "--wait", service]);
        let running = project.run(&["ps", "--services"]);
        for (other, ..) in FIRST {
            let is_there = running.lines().any(|line| line == other);
            assert_eq!(is_there, other == service, "{running}");
        }
        let store = if service == "session" {
            "redis"
        } else {
            "postgres"
        };
        let other = if service == "session" {
            "postgres"
        } else {
            "redis"
        };
        assert!(running.lines().any(|line| line == store), "{running}");
        assert!(!running.lines().any(|line| line == other), "{running}");
        let client = Client::new(
            project.gateway(),
            Ipv4Addr::LOCALHOST,
            SecretScanner::default(),
        );
        eventually(Duration::from_secs(20), path, || async {
            let answer = client.get(path).await;
            (answer.status == status).then_some(())
        })
        .await;
    }
}
