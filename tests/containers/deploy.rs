//! deploy/ec2/deploy.sh replaces services of the running stack: with images that are good, and with images that are not.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use end_to_end::{Load, Platform, eventually};
use ud_kernel::{Clock, Service};

use crate::{
    deployments::{Deployments, faulty, has_name, image_of, push, services},
    stack::{compose, containers_of, docker, inspect, platform, root, text_of},
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn works(platform: &Platform) {
    eventually(PATIENCE, "everything answers", || async {
        let token = &platform.admin.access;
        for path in [
            "/api/v1/roles",
            "/api/v1/sessions",
            "/api/v1/audits?limit=1",
        ] {
            let answer = platform.client.get(path).bearer(token).await;
            if answer.status != 200 {
                return None;
            }
        }
        Some(())
    })
    .await;
    let _ = platform.client.newcomer_in().await;
}

/// Everything that the stack's containers log from now on, those that are removed in the meantime too.
struct Logs {
    follower: Child,
    file: tempfile::NamedTempFile,
}

impl Logs {
    fn follow() -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut docker = Command::new("docker");
        // What a new container writes before it is followed is there, too.
        let now = Clock::system().now().to_string();
        docker.args(["compose", "logs", "--follow", "--no-color", "--since", &now]);
        docker.current_dir(root()).stdin(Stdio::null());
        docker.stdout(file.reopen().unwrap()).stderr(Stdio::null());
        let follower = docker.spawn().unwrap();
        Self { follower, file }
    }

    fn end(mut self) -> String {
        self.follower.kill().unwrap();
        self.follower.wait().unwrap();
        fs::read_to_string(self.file.path()).unwrap()
    }
}

#[tokio::test]
async fn every_service_is_replaced_under_load_and_no_request_fails_inside_or_outside() {
    let platform = platform().await;
    let deployments = Deployments::new();
    let logs = Logs::follow();
    let load = Load::begin(&platform).await;
    load.go_on(100).await;
    for (service, name) in services() {
        let image = push(&image_of(&service), &name);
        let old = containers_of(&service);
        let output = deployments.run(&[&service, &image]).await;
        assert!(output.status.success(), "{service}: {}", text_of(&output));
        let new = containers_of(&service);
        assert!(new.len() == 1 && new != old, "{service}: {new:?}");
        assert!(has_name(&new[0], &service));
        load.go_on(50).await;
    }
    let (sent, failures) = load.end().await;
    let told = deployments.told();
    assert!(failures.is_empty(), "of {sent}: {failures:#?}\n{told:#?}");
    assert_eq!(told.len(), Service::ALL.len());
    for line in &told {
        assert_eq!(line["outcome"], "deployed", "{line}");
    }
    let logs = logs.end();
    let inner: Vec<_> = logs
        .lines()
        .filter(|line| line.contains("unavailable"))
        .collect();
    assert!(inner.is_empty(), "{inner:#?}");
    for (service, _) in services() {
        let listens = format!("{service} listens on");
        assert!(logs.contains(&listens), "the new container's log is there");
    }
    println!("{sent} requests while all services were replaced, none failed: {told:#?}");
}

#[tokio::test]
async fn an_image_that_is_not_good_is_taken_back() {
    let platform = platform().await;
    let deployments = Deployments::new();
    let old = containers_of("role");
    for (fault, outcome, reason) in [
        ("migration", "refused", "the migrations failed"),
        ("start", "rolled-back", "it does not become ready"),
        ("unready", "rolled-back", "it does not become ready"),
        (
            "request",
            "rolled-back",
            "it ended after it was given the name",
        ),
    ] {
        let image = faulty("role", fault);
        let load = Load::begin(&platform).await;
        load.go_on(20).await;
        // A client of role's own, beside those.
        let (client, token) = (platform.client_at(9, 9), platform.admin.access.clone());
        let asking = tokio::spawn(async move {
            loop {
                let _ = client.get("/api/v1/roles").bearer(&token).await;
            }
        });
        let output = deployments.run(&["role", &image]).await;
        asking.abort();
        load.go_on(50).await;
        let (sent, failures) = load.end().await;
        assert_eq!(
            output.status.code(),
            Some(1),
            "{fault}: {}",
            text_of(&output)
        );
        let told = deployments.told().pop().unwrap();
        assert_eq!(
            (&told["outcome"], &told["reason"]),
            (&outcome.into(), &reason.into()),
            "{told}: {}",
            text_of(&output)
        );
        assert_eq!(containers_of("role"), old, "{fault}");
        assert!(has_name(&old[0], "role"), "{fault}");
        assert_eq!(deployments.phase_of("role"), None);
        works(&platform).await;
        // One that ends takes the requests along that it had; one that never had the name has none.
        if fault != "request" {
            assert!(failures.is_empty(), "{fault}: of {sent}: {failures:#?}");
        }
    }
    let absent = format!("127.0.0.1:1/user-domain/role@sha256:{}", "0".repeat(64));
    assert_eq!(
        deployments.run(&["role", &absent]).await.status.code(),
        Some(1),
        "it cannot be pulled"
    );
    assert_eq!(deployments.told().pop().unwrap()["outcome"], "refused");
    assert_eq!(containers_of("role"), old);
}

/// Six deployments of one push: what failed in one stops those that call it, and no other.
#[tokio::test]
async fn a_callee_that_failed_stops_its_callers() {
    let deployments = Deployments::new();
    let audit = containers_of("audit");
    let revision = |service: &str, fault: &str, revision: &str| {
        let tag = format!("user-domain/of-a-push-{service}:test");
        let base = if fault.is_empty() {
            image_of(service)
        } else {
            let _ = faulty(service, fault);
            format!("user-domain/faulty-{service}:{fault}")
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("Dockerfile"),
            format!("FROM {base}\nLABEL org.opencontainers.image.revision={revision}\n"),
        )
        .unwrap();
        let folder = folder.path().display().to_string();
        docker(&["build", "--quiet", "--tag", &tag, &folder]);
        push(&tag, &format!("of-a-push-{service}"))
    };
    let bad = revision("audit", "migration", "abc1");
    assert_eq!(
        deployments.run(&["audit", &bad]).await.status.code(),
        Some(1)
    );
    let caller = revision("role", "", "abc1");
    let refused = deployments.run(&["role", &caller]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", text_of(&refused));
    let told = deployments.told().pop().unwrap();
    assert_eq!(
        (&told["outcome"], &told["reason"], &told["revision"]),
        (
            &"refused".into(),
            &"audit has failed to take this revision".into(),
            &"abc1".into()
        )
    );
    assert_eq!(containers_of("audit"), audit);
    // Another revision is another matter, and so is this one when the callee has taken it.
    let other = revision("role", "", "abc2");
    let taken = deployments.run(&["role", &other]).await;
    assert!(taken.status.success(), "{}", text_of(&taken));
    let good = revision("audit", "", "abc1");
    assert!(deployments.run(&["audit", &good]).await.status.success());
    assert!(deployments.run(&["role", &caller]).await.status.success());
}

#[tokio::test]
async fn what_is_no_service_and_no_digest_is_refused() {
    let deployments = Deployments::new();
    let digest = format!("127.0.0.1:1/user-domain/role@sha256:{}", "0".repeat(64));
    for arguments in [
        &[][..],
        &["role"],
        &["role", "user-domain/role:latest"],
        &["role", &digest, "more"],
        &["postgres", &digest],
        &[".*", &digest],
        &["", &digest],
        &["role; reboot", &digest],
        &["role", "$(reboot)@sha256:00"],
        &["recover", &digest],
    ] {
        let output = deployments.run(arguments).await;
        assert_eq!(
            output.status.code(),
            Some(64),
            "{arguments:?}: {}",
            text_of(&output)
        );
    }
    assert!(deployments.told().is_empty());
}

#[tokio::test]
async fn deployments_wait_for_each_other() {
    let deployments = Deployments::new();
    let (role, audit) = (
        push(&image_of("role"), "role-service"),
        push(&image_of("audit"), "user-audit-service"),
    );
    let mut first = deployments.begin(&["role", &role]);
    eventually(PATIENCE, "the first has begun", || async {
        deployments.phase_of("role").map(|_| ())
    })
    .await;
    let mut hasty = deployments.command(&["audit", &audit]);
    let hasty = hasty.env("LOCK_SECONDS", "0").output().unwrap();
    assert_eq!(hasty.status.code(), Some(75), "{}", text_of(&hasty));
    let second = deployments.run(&["audit", &audit]).await;
    assert!(second.status.success(), "{}", text_of(&second));
    assert!(first.wait().unwrap().success());
    let told = deployments.told();
    let order: Vec<_> = told.iter().map(|line| &line["service"]).collect();
    assert_eq!(order, ["role", "audit"]);
}

/// Kills a deployment, and every container with it, at a moment.
#[tokio::test]
async fn what_a_machine_left_half_done_is_seen_to_after_its_start() {
    let platform = platform().await;
    let image = push(&image_of("role"), "role-service");
    for (moment, outcome) in [
        ("created", "rolled-back"),
        ("named", "rolled-back"),
        ("stopping", "deployed"),
    ] {
        let deployments = Deployments::new();
        let old = containers_of("role");
        let mut deploying = deployments.begin(&["role", &image]);
        eventually(PATIENCE, moment, || async {
            let phase = deployments.phase_of("role")?;
            let all = compose(&["ps", "--all", "--quiet", "role"]);
            let is_there = match moment {
                "created" => all.lines().count() == 2,
                "named" => !has_name(&old[0], "role"),
                _ => phase == "stopping",
            };
            is_there.then_some(())
        })
        .await;
        deploying.kill().unwrap();
        deploying.wait().unwrap();
        switch_off_and_on();

        let output = deployments.run(&["recover"]).await;
        assert!(output.status.success(), "{moment}: {}", text_of(&output));
        let told = deployments.told().pop().unwrap();
        assert_eq!(told["outcome"], outcome, "{moment}: {told}");
        assert_eq!(deployments.phase_of("role"), None);
        let now = containers_of("role");
        assert_eq!(now.len(), 1, "{moment}: {now:?}");
        assert_eq!(now == old, outcome == "rolled-back", "{moment}");
        assert!(has_name(&now[0], "role"), "{moment}");
        works(&platform).await;
        // Nothing is left to see to.
        let before = deployments.told().len();
        assert!(deployments.run(&["recover"]).await.status.success());
        assert_eq!(deployments.told().len(), before);
    }
}

#[tokio::test]
async fn a_signal_takes_back_what_was_begun_or_comes_too_late() {
    let platform = platform().await;
    let image = push(&image_of("role"), "role-service");
    let deployments = Deployments::new();
    for (moment, code, outcome) in [("starting", 1, "rolled-back"), ("stopping", 0, "deployed")] {
        let old = containers_of("role");
        let mut deploying = deployments.begin(&["role", &image]);
        eventually(PATIENCE, moment, || async {
            (deployments.phase_of("role")? == moment).then_some(())
        })
        .await;
        let id = deploying.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        assert_eq!(deploying.wait().unwrap().code(), Some(code), "{moment}");
        assert_eq!(deployments.told().pop().unwrap()["outcome"], outcome);
        let now = containers_of("role");
        assert_eq!(now == old, outcome == "rolled-back", "{moment}");
        assert!(now.len() == 1 && has_name(&now[0], "role"), "{moment}");
        works(&platform).await;
    }
    // What the images of role are is known by now.
    let foreign = format!("127.0.0.1:1/stranger/role@sha256:{}", "0".repeat(64));
    let output = deployments.run(&["role", &foreign]).await;
    assert_eq!(output.status.code(), Some(64), "{}", text_of(&output));
}

/// All containers are killed; those that ran are started again, as the engine does it after its start.
fn switch_off_and_on() {
    let ran = compose(&["ps", "--quiet"]);
    let ran: Vec<_> = ran.lines().collect();
    docker(&[&["kill"], ran.as_slice()].concat());
    docker(&[&["start"], ran.as_slice()].concat());
}

#[tokio::test]
async fn the_gateway_is_started_anew_or_stays() {
    let platform = platform().await;
    let deployments = Deployments::new();
    let image = push(&image_of("gateway"), "gateway");
    let output = deployments.run(&["gateway", &image]).await;
    assert!(output.status.success(), "{}", text_of(&output));
    assert_eq!(deployments.told().pop().unwrap()["outcome"], "deployed");
    works(&platform).await;
    assert_eq!(
        inspect(&containers_of("gateway")[0], "{{.Config.Image}}"),
        image
    );

    // Not NGINX at all.
    let wrong = push("debian:bookworm-slim", "gateway");
    let output = deployments.run(&["gateway", &wrong]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text_of(&output));
    assert_eq!(deployments.told().pop().unwrap()["outcome"], "rolled-back");
    works(&platform).await;
    assert!(Path::new(&deployments.state.path().join("images.env")).exists());
    assert_eq!(
        inspect(&containers_of("gateway")[0], "{{.Config.Image}}"),
        image
    );
}
