//! The commands of docs/deployment/docker.md for a back-up and a restore, as they are written there.

use std::{fs, path::Path, process::Command};

use end_to_end::{Platform, Stack};

use crate::stack::{Project, root, text_of};

/// The blocks of commands below the heading.
fn blocks() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/deployment/docker.md")).unwrap();
    let part = page.split_once("\n## Back-up and restore\n").unwrap().1;
    let part = part.split("\n## ").next().unwrap();
    let fenced = part.split("```").skip(1).step_by(2);
    fenced
        .map(|block| block.strip_prefix("sh\n").unwrap().to_owned())
        .collect()
}

fn run(project: &Project, folder: &Path, commands: &str) {
    let mut shell = Command::new("bash");
    shell.args(["-euc", commands]).current_dir(folder);
    project.tell(&mut shell);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{commands}: {}", text_of(&output));
}

async fn platform(project: &Project) -> Platform {
    let port = project.run(&["port", "gateway", "8080"]);
    let port = port.rsplit_once(':').unwrap().1.parse().unwrap();
    let password = tempfile::NamedTempFile::new().unwrap();
    let path = password.path().display().to_string();
    project.run(&["cp", "profile:/run/secrets/bootstrap-admin-password", &path]);
    let password = fs::read_to_string(password.path()).unwrap();
    Platform::attach(&Stack {
        port,
        email: "admin@localhost".to_owned(),
        password: password.trim_end().to_owned(),
    })
    .await
}

#[tokio::test]
async fn what_was_backed_up_is_there_after_a_restore() {
    let project = Project::new(4, &[]);
    let folder = tempfile::tempdir().unwrap();
    let [back_up, restore] = blocks().try_into().unwrap();
    project.run(&["up", "--detach", "--wait"]);
    let before = platform(&project).await;
    let (person, login) = before.client.newcomer_in().await;
    run(&project, folder.path(), &back_up);
    let (later, _) = before.client.newcomer_in().await;

    project.run(&["down", "--volumes", "--timeout", "1"]);
    run(&project, folder.path(), &restore);
    let after = platform(&project).await;
    let again = after.client.log_in(&person).await;
    assert_eq!(again.user, login.user);
    let audits = format!("/api/v1/audits?target_id={}", login.user);
    let call = after.client.get(&audits).bearer(&after.admin.access);
    assert!(
        !call.await.must(200).items().is_empty(),
        "its past is there"
    );
    // Sessions are not restored, and who came after the back-up is nobody.
    let body = serde_json::json!({"refresh_token": login.refresh});
    let call = after.client.post("/api/v1/auth/refresh").json(&body);
    let _ = call.await.must(401);
    let refused = after.client.try_log_in(&later.email, &later.password);
    let _ = refused.await.must(401);
}
