use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use testkit::{Process, RedisServer, http_get};

const NONE: [(&str, &str); 0] = [];

fn testkit(arguments: &[&str]) -> Process {
    Process::start(
        Path::new(env!("CARGO_BIN_EXE_testkit")),
        arguments,
        Path::new("/tmp"),
        NONE,
    )
}

/// Ports of the URLs in a line.
fn ports(line: &str) -> Vec<u16> {
    line.split_whitespace()
        .map(|url| url.rsplit_once(':').unwrap().1.parse().unwrap())
        .collect()
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

const PRINT: &str = "echo $TEST_POSTGRES_URL $TEST_MYSQL_URL $TEST_REDIS_URL;";

#[tokio::test]
async fn with_sets_the_urls_forwards_the_exit_code_and_leaves_nothing() {
    let run = testkit(&["with", "--", "sh", "-c", &format!("{PRINT} exit 7")]);
    let line = run.wait_for_line("postgres://").await;
    assert_eq!(run.wait().await.code(), Some(7), "{}", run.output());
    let ports = ports(&line);
    assert_eq!(ports.len(), 3, "{line}");
    assert!(
        line.contains("mysql://root@") && line.contains("redis://"),
        "{line}"
    );
    assert!(!ports.into_iter().any(is_open), "servers are stopped");
}

#[tokio::test]
async fn servers_do_not_outlive_with_however_it_ends() {
    for kill in [true, false] {
        let script =
            format!("trap 'echo stopped; exit 3' TERM; {PRINT} while :; do sleep 0.1; done");
        let run = testkit(&["with", "--", "sh", "-c", &script]);
        let ports = ports(&run.wait_for_line("postgres://").await);
        assert!(ports.iter().copied().all(is_open));
        if kill {
            run.kill();
        } else {
            run.terminate();
            assert_eq!(run.wait().await.code(), Some(3), "the command's own code");
        }
        run.wait_for_line("stopped").await;
        let end = Instant::now() + Duration::from_secs(20);
        while ports.iter().copied().any(is_open) {
            assert!(Instant::now() < end, "servers outlive testkit");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn wrong_arguments_are_explained() {
    let run = testkit(&["with", "true"]);
    assert_eq!(run.wait().await.code(), Some(64));
    run.wait_for_line("usage: testkit with -- COMMAND").await;
    let run = testkit(&["with", "--", "/none/such"]);
    assert_eq!(run.wait().await.code(), Some(127));
}

fn ask(redis: &RedisServer, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .unwrap();
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap().unwrap();
    if first.starts_with('$') && first != "$-1" {
        return lines.next().unwrap().unwrap();
    }
    first
}

#[test]
fn redis_keeps_what_it_acknowledged_when_killed() {
    let mut redis = RedisServer::start();
    for (n, restart) in [RedisServer::kill as fn(&mut RedisServer), RedisServer::stop]
        .into_iter()
        .enumerate()
    {
        assert_eq!(ask(&redis, &format!("SET key{n} value")), "+OK");
        restart(&mut redis);
        assert!(!is_open(redis.port()));
        redis.restart();
        assert_eq!(ask(&redis, &format!("GET key{n}")), "value");
    }
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}", redis.port()));
    assert_eq!(
        ask(&RedisServer::start(), "GET key0"),
        "$-1",
        "each test has its own"
    );
}

#[tokio::test]
async fn a_process_has_only_the_environment_it_was_given() {
    let script = "echo \"A=$A HOME=$HOME\"; echo err >&2; exec sleep 60";
    let run = Process::start(
        Path::new("/bin/sh"),
        &["-c", script],
        Path::new("/"),
        [("A", "b")],
    );
    assert_eq!(run.wait_for_line("A=").await, "A=b HOME=");
    run.wait_for_line("err").await;
    assert!(run.is_running() && run.pid() > 0);
    run.terminate();
    assert_eq!(run.wait().await.code(), None, "ended by the signal");
    assert!(http_get("http://127.0.0.1:1/x").await.is_err());
}

#[tokio::test]
#[should_panic(expected = "did not write \"never\":\nhello")]
async fn a_line_that_never_comes_shows_what_came() {
    let run = Process::start(
        Path::new("/bin/sh"),
        &["-c", "echo hello"],
        Path::new("/"),
        NONE,
    );
    run.wait_for_line("never").await;
}
