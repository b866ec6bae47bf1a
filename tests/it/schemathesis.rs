//! Schemathesis against every OpenAPI document.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use end_to_end::{Kind, Platform, rounds};

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let kinds = [Kind::Services, Kind::Standalone];
    for kind in &kinds[..rounds(1, 2)] {
        let platform = Platform::start(*kind).await;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.sh");
        let mut command = Command::new(script);
        command
            .env("GATEWAY_URL", platform.client.base())
            .env("ADMIN_EMAIL", &platform.chief.email)
            .env("ADMIN_PASSWORD", &platform.chief.password)
            .env("MAX_EXAMPLES", rounds(15, 200).to_string())
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.unwrap().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{text}");
    }
}
