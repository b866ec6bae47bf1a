//! What a process takes from the machine and what the machine tells it: descriptors, core files, signals.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use end_to_end::{SERVICES, eventually, program_of, standalone};
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use testkit::{Process, Signal, free_ports};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use ud_kernel::Service;

/// A program that needs nothing but its folder, with `limit` descriptors, soft and hard.
struct Limited {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Limited {
    fn start(program: &Path, soft: u32, hard: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = free_ports(2);
        let environment = [
            ("APP_ENV", "development".to_owned()),
            ("PORT", ports[0].to_string()),
            ("INTERNAL_PORT", ports[1].to_string()),
            ("AUTH_URL", "http://127.0.0.1:1".to_owned()),
            ("BCRYPT_COST", "4".to_owned()),
            ("BOOTSTRAP_ADMIN_EMAIL", "admin@example.org".to_owned()),
            ("BOOTSTRAP_ADMIN_PASSWORD", PASSWORD.to_owned()),
        ];
        let limit = format!("--nofile={soft}:{hard}");
        let arguments = [limit.as_str(), program.to_str().unwrap()];
        let prlimit = PathBuf::from("/usr/bin/prlimit");
        Self {
            process: Process::start(&prlimit, &arguments, folder.path(), environment),
            port: ports[0],
            _folder: folder,
        }
    }

    async fn ready(self) -> Self {
        let url = format!("http://127.0.0.1:{}/healthz", self.port);
        self.process.wait_until_ready(&url).await;
        self
    }

    /// Soft and hard limit of `name`, as the kernel tells them.
    fn limit(&self, name: &str) -> (String, String) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.process.pid()));
        let limits = limits.unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let mut words = line.unwrap().split_whitespace().map(ToOwned::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }
}

const PASSWORD: &str = "Granite-Heron-Falls-58-Dune";

fn programs() -> impl Iterator<Item = PathBuf> {
    let services = SERVICES.into_iter().map(|(service, _)| program_of(service));
    services.chain([standalone()])
}

fn both(limit: &str) -> (String, String) {
    (limit.to_owned(), limit.to_owned())
}

#[tokio::test]
async fn descriptors_are_raised_and_cores_forbidden() {
    for program in programs() {
        let limited = Limited::start(&program, 512, 4096).ready().await;
        assert_eq!(limited.limit("Max open files"), both("4096"));
        assert_eq!(limited.limit("Max core file size"), both("0"));
    }
}

#[tokio::test]
async fn too_few_descriptors_are_a_configuration_error() {
    for program in programs() {
        let limited = Limited::start(&program, 64, 64);
        let status = limited.process.wait().await;
        let output = limited.process.output();
        assert_eq!(status.code(), Some(78), "{}: {output}", program.display());
        assert!(
            output.contains("64") && output.contains("RLIMIT_NOFILE"),
            "{output}"
        );
    }
}

#[tokio::test]
async fn no_signal_but_those_that_ask_for_an_end_ends_a_process() {
    for program in programs() {
        for end in [Signal::TERM, Signal::INT, Signal::QUIT] {
            let limited = Limited::start(&program, 1024, 1024).ready().await;
            for signal in [
                Signal::HUP,
                Signal::USR1,
                Signal::USR2,
                Signal::ALARM,
                Signal::PIPE,
            ] {
                limited.process.signal(signal);
            }
            limited
                .process
                .wait_for_line("there is no certificate")
                .await;
            let url = format!("http://127.0.0.1:{}/healthz", limited.port);
            let answer = testkit::http_get(&url).await;
            assert!(matches!(answer, Ok((200, _))), "{answer:?}");
            limited.process.signal(end);
            let status = limited.process.wait().await;
            assert_eq!(status.code(), Some(0), "{}", limited.process.output());
        }
    }
}

/// What strangers do with the connections they open.
#[derive(Clone, Copy, Debug)]
enum Proxy {
    /// Asked once, and idle since.
    Idle,
    /// Sent half a head.
    Half,
    /// Said nothing.
    Silent,
    /// Sent a head and nothing of its body.
    Body,
    /// Asked for much and takes nothing of it.
    Deaf,
}

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

async fn hold(from: IpAddr, port: u16, how: Proxy) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    if matches!(how, Proxy::Deaf) {
        socket.set_recv_buffer_size(4096).unwrap();
    }
    let to = (IpAddr::from([127, 0, 0, 1]), port).into();
    let mut stream = socket.connect(to).await.ok()?;
    let sent = match how {
        Proxy::Idle => GET.to_owned(),
        Proxy::Half => "GET /healthz HTTP/1.1\r\nho".to_owned(),
        Proxy::Silent => String::new(),
        Proxy::Body => "POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\
                       content-type: application/json\r\n\r\n"
            .to_owned(),
        Proxy::Deaf => GET.repeat(20_000),
    };
    if matches!(how, Proxy::Deaf) {
        let _ = stream.try_write(sent.as_bytes());
    } else {
        stream.write_all(sent.as_bytes()).await.ok()?;
    }
    if matches!(how, Proxy::Idle) {
        let mut answer = [0; 1024];
        stream
            .read(&mut answer)
            .await
            .ok()
            .filter(|length| *length > 0)?;
    }
    Some(stream)
}

/// One process with few descriptors, strangers who hold more connections than it has, and somebody else.
#[rstest]
#[case(Proxy::Idle, 2)]
#[case(Proxy::Idle, 200)]
#[case(Proxy::Half, 3)]
#[case(Proxy::Silent, 2)]
#[case(Proxy::Silent, 3)]
#[case(Proxy::Silent, 7)]
#[case(Proxy::Body, 3)]
#[case(Proxy::Deaf, 3)]
#[tokio::test]
async fn strangers_with_many_connections_keep_nobody_out(#[case] how: Proxy, #[case] sources: u8) {
    let limited = Limited::start(&standalone(), 256, 256).ready().await;
    let somebody = reqwest::Client::builder()
        .no_proxy()
        .local_address(IpAddr::from([127, 0, 0, 2]))
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let url = format!("http://127.0.0.1:{}/api/v1/auth/login", limited.port);
    let body = json!({"identifier": "admin@example.org", "password": PASSWORD});
    let log_in = || async {
        let answer = somebody.post(&url).json(&body).send().await;
        answer.map(|answer| answer.status().as_u16())
    };
    eventually(Duration::from_secs(30), "an administrator", || async {
        (log_in().await.ok()? == 200).then_some(())
    })
    .await;
    let mut held = Vec::new();
    for round in 0..6 {
        for i in 0..200 {
            let from = IpAddr::from([127, 0, 0, 3 + i % sources]);
            held.extend(hold(from, limited.port, how).await);
        }
        let status = log_in().await;
        let output = limited.process.output();
        assert!(
            matches!(status, Ok(200)),
            "round {round}, {} held: {status:?}\n{output}",
            held.len()
        );
        assert!(!output.contains("Too many open files"), "{output}");
    }
}

#[tokio::test]
async fn a_service_that_stood_still_serves_the_requests_that_waited() {
    let limited = Limited::start(&program_of(Service::Role), 1024, 1024)
        .ready()
        .await;
    let mut stream = TcpStream::connect(("127.0.0.1", limited.port))
        .await
        .unwrap();
    // A connection that waits for its head when all stands still, and then has it whole.
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\n")
        .await
        .unwrap();
    let url = format!("http://127.0.0.1:{}/healthz", limited.port);
    testkit::http_get(&url).await.unwrap();
    limited.process.freeze();
    stream
        .write_all(b"host: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(12)).await;
    limited.process.thaw();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Seconds of processor time that a process has used, and the bytes it has in memory.
fn used(pid: u32) -> (f64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name, which may hold anything: state is the third field, the times are 14 and 15 in ticks of 10 ms.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at - 3].parse::<f64>().unwrap();
    let resident = fields[24 - 3].parse::<u64>().unwrap() * 4096;
    ((ticks(14) + ticks(15)) / 100.0, resident)
}

/// Requests sent ahead are neither all kept nor looked at again and again while nobody takes the answers.
#[tokio::test]
async fn requests_whose_answers_nobody_takes_cost_neither_time_nor_memory() {
    let program = program_of(Service::Role);
    let limited = Limited::start(&program, 1024, 1024).ready().await;
    let (_, before) = used(limited.process.pid());
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(hold([127, 0, 0, 1].into(), limited.port, Proxy::Deaf).await);
    }
    // It answers as many as the sockets hold, and then rests; it would never rest if it looked again and again.
    let pid = limited.process.pid();
    eventually(Duration::from_secs(30), "rest", || async {
        let (began, _) = used(pid);
        tokio::time::sleep(Duration::from_secs(1)).await;
        (used(pid).0 - began < 0.1).then_some(())
    })
    .await;
    let (_, after) = used(pid);
    let grown = after.saturating_sub(before) / held.len() as u64;
    assert!(grown < 1024 * 1024, "{grown} bytes for each");
    let url = format!("http://127.0.0.1:{}/healthz", limited.port);
    assert_eq!(testkit::http_get(&url).await.unwrap().0, 200);
}
