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

use ud_telemetry::{LogConfig, LogFormat, RequestContext, flush, init, scope};

/// Set in the inner process; its value is the log format.
const INNER: &str = "UD_TELEMETRY_INNER";

fn inner_format() -> Option<LogFormat> {
    #[expect(clippy::disallowed_methods, reason = "a test that starts itself again")]
    std::env::var(INNER).ok()?.parse().ok()
}

fn command(test: &str, format: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INNER, format)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped());
    command
}

fn start(test: &str, format: &str, stderr: Stdio) -> Output {
    command(test, format)
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
        // The end of a process takes along what waits.
        log::info!("last");
        flush();
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
    assert_eq!(lines.len(), 3, "{stderr}");
    assert_eq!(lines[0]["message"], "inside");
    assert_eq!(lines[2]["message"], "last");
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
    assert_eq!(lines.len(), 3, "{text}");
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

#[test]
fn lines_of_many_threads_come_out_whole_and_each_in_its_order() {
    const THREADS: usize = 4;
    const LINES: usize = 5_000;
    let name = "lines_of_many_threads_come_out_whole_and_each_in_its_order";
    if let Some(format) = inner_format() {
        init_as(format);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn(move || {
                    for n in 0..LINES {
                        // Now and then one that does not wait.
                        if n % 1_000 == 999 {
                            log::warn!(thread, n; "line");
                        } else {
                            log::info!(thread, n; "line");
                        }
                    }
                });
            }
        });
        flush();
        return;
    }
    let output = start(name, "json", Stdio::piped());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let mut next = [0; THREADS];
    for line in stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        let thread = usize::try_from(line["thread"].as_u64().unwrap()).unwrap();
        assert_eq!(line["n"].as_u64(), Some(next[thread]));
        next[thread] += 1;
    }
    assert_eq!(next, [LINES as u64; THREADS]);
}

#[test]
fn a_line_comes_out_without_another_to_push_it() {
    let name = "a_line_comes_out_without_another_to_push_it";
    if let Some(format) = inner_format() {
        init_as(format);
        log::info!("alone");
        // As a service does: it goes on without logging anything, until it is killed.
        std::thread::sleep(std::time::Duration::from_secs(60));
        return;
    }
    use std::io::BufRead as _;
    let mut inner = command(name, "json")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = std::io::BufReader::new(inner.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    inner.kill().unwrap();
    inner.wait().unwrap();
    assert!(line.contains("alone"), "{line}");
}
