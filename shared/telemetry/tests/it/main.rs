#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

//! The logger is one for a process, so each test runs this binary once more with one test in it.

use std::process::{Command, Output, Stdio};

use ud_telemetry::{LogConfig, LogFormat, RequestContext, init, scope};

/// Set in the inner process; its value is the log format.
const INNER: &str = "UD_TELEMETRY_INNER";

fn inner_format() -> Option<LogFormat> {
    #[expect(clippy::disallowed_methods, reason = "a test that starts itself again")]
    std::env::var(INNER).ok()?.parse().ok()
}

fn start(test: &str, format: &str, stderr: Stdio) -> Output {
    let exe = std::env::current_exe().unwrap();
    Command::new(exe)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INNER, format)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap()
}

fn init_as(format: LogFormat) {
    let config = LogConfig {
        format,
        level: "warn,chatty=off,it=debug".to_owned(),
    };
    init(&config, "auth");
    init(&LogConfig::default(), "again");
}

#[tokio::test]
async fn lines_come_out_filtered_with_their_request() {
    if let Some(format) = inner_format() {
        init_as(format);
        log::info!(target: "other", "too quiet");
        log::error!(target: "chatty", "switched off");
        scope(RequestContext::new("r-1"), async {
            log::info!(status = 200; "inside");
        })
        .await;
        let _ = std::panic::catch_unwind(|| panic!("it\nbroke"));
        return;
    }
    let name = "lines_come_out_filtered_with_their_request";
    let json = start(name, "json", Stdio::piped());
    assert!(json.status.success());
    let stderr = String::from_utf8(json.stderr).unwrap();
    let lines: Vec<serde_json::Value> = stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert_eq!(lines[0]["message"], "inside");
    assert_eq!(
        (
            &lines[0]["service"],
            &lines[0]["request_id"],
            &lines[0]["status"]
        ),
        (&"auth".into(), &"r-1".into(), &200.into())
    );
    assert_eq!(lines[1]["target"], "panic");
    assert!(
        lines[1]["message"]
            .as_str()
            .unwrap()
            .ends_with(": it\nbroke"),
        "{stderr}"
    );

    let text = String::from_utf8(start(name, "text", Stdio::piped()).stderr).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].ends_with("INFO  auth it: inside status=200 request_id=r-1"),
        "{text}"
    );
    assert!(
        lines[1].contains("panicked at") && lines[1].ends_with("it\\nbroke"),
        "{text}"
    );
}

#[test]
fn a_closed_standard_error_stops_nobody() {
    if let Some(format) = inner_format() {
        init_as(format);
        for n in 0..100 {
            log::error!("line {n}");
        }
        let _ = std::panic::catch_unwind(|| panic!("broke"));
        return;
    }
    for format in ["text", "json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = start(
            "a_closed_standard_error_stops_nobody",
            format,
            writer.into(),
        );
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
