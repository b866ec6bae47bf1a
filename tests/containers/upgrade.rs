//! Services come and go; the rest goes on.

use std::time::Duration;

use end_to_end::{Load, eventually};
use ud_kernel::Service;

use crate::stack::{compose, containers_of, docker, inspect, platform};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a client asks of each service, and needs nobody else for but session and the published keys.
const OWN: [(&str, &str); 4] = [
    ("role", "/api/v1/roles"),
    ("session", "/api/v1/sessions"),
    ("audit", "/api/v1/audits?limit=1"),
    ("profile", "/api/v1/users/me"),
];

#[tokio::test]
async fn without_one_service_the_others_go_on_and_it_comes_back() {
    let platform = platform().await;
    let (client, token) = (&platform.client, platform.admin.access.clone());
    // Without session no token is believed, so that it is none of these.
    for stopped in ["role", "audit", "profile"] {
        compose(&["stop", stopped]);
        for (service, path) in OWN {
            let answer = client.get(path).bearer(&token).await;
            let wanted = if service == stopped { 503 } else { 200 };
            assert_eq!(answer.status, wanted, "{stopped} is stopped: {answer:?}");
            if wanted == 503 {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
        }
        compose(&["start", stopped]);
        for (service, path) in OWN {
            eventually(PATIENCE, &format!("{service} answers again"), || async {
                let answer = client.get(path).bearer(&token).await;
                (answer.status == 200).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn every_service_is_replaced_in_place_without_a_failed_request() {
    let platform = platform().await;
    let load = Load::begin(&platform).await;
    load.go_on(100).await;
    for service in Service::ALL {
        let service = service.as_str();
        let old = containers_of(service);
        assert_eq!(old.len(), 1, "{service}");
        let scale = format!("{service}=2");
        compose(&[
            "up",
            "--detach",
            "--wait",
            "--no-deps",
            "--no-recreate",
            "--scale",
            &scale,
            service,
        ]);
        load.go_on(50).await;
        docker(&["stop", &old[0]]);
        docker(&["rm", &old[0]]);
        load.go_on(50).await;
        let new = containers_of(service);
        assert!(new.len() == 1 && new != old, "{service}: {new:?}");
        assert_ne!(address_of(&new[0]), String::new());
    }
    load.go_on(500).await;
    let (sent, failures) = load.end().await;
    assert!(failures.is_empty(), "of {sent}: {failures:#?}");
}

fn address_of(container: &str) -> String {
    inspect(
        container,
        "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}",
    )
}

#[tokio::test]
async fn a_stack_that_was_taken_down_comes_back_with_all_its_data() {
    let before = platform().await;
    let (person, login) = before.client.newcomer_in().await;
    let audits = "/api/v1/audits?limit=200";
    let recorded = before
        .client
        .get(audits)
        .bearer(&before.admin.access)
        .await
        .must(200)
        .json();
    compose(&["down"]);
    compose(&["up", "--detach", "--wait"]);
    let after = platform().await;
    // The session of before goes on, and the password is the same.
    let body = serde_json::json!({"refresh_token": login.refresh});
    let _ = after
        .client
        .post("/api/v1/auth/refresh")
        .json(&body)
        .await
        .must(200);
    let _ = after.client.log_in(&person).await;
    let now = after
        .client
        .get(audits)
        .bearer(&after.admin.access)
        .await
        .must(200)
        .json();
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (earlier, later) = (ids(&recorded), ids(&now));
    assert!(!earlier.is_empty());
    let kept = later.iter().filter(|id| earlier.contains(id)).count();
    assert!(kept + (later.len() - kept) >= earlier.len().min(200) && kept > 0);
}
