//! A stop in order: requests in flight are finished, exit code 0.

use std::time::{Duration, Instant};

use end_to_end::{Kind, Options, Person, Platform, SERVICES};
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use ud_kernel::Service;

/// Longest that a stop may take with nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(10);

#[rstest]
#[tokio::test]
async fn a_request_in_flight_is_finished(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let platform = Platform::start(kind).await;
    let person = platform.client.newcomer().await;
    // Half of a request has arrived when the signal comes.
    let body =
        serde_json::json!({"identifier": person.email, "password": person.password}).to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let port = platform.directory.public_port(Service::Auth);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{first}").as_bytes())
        .await
        .unwrap();
    // The service has it: a request sent afterwards has been answered.
    let _ = platform.client.get("/api/v1/auth/validate").await;
    let process = platform.process(Service::Auth).process();
    process.terminate();
    process.wait_for_line("stopping").await;
    // New connections are not taken any more, or not answered as if nothing had happened.
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{answer}\n{}",
        process.output()
    );
    assert!(answer.contains("access_token"), "{answer}");
    assert_eq!(process.wait().await.code(), Some(0), "{}", process.output());
}

#[tokio::test]
async fn a_registration_in_flight_is_finished() {
    let options = Options::new(Kind::Services).hold_before(Service::Auth);
    let platform = options.start().await;
    let hold = platform.links().held_callee.as_ref().unwrap();
    let person = Person::new();
    let client = platform.client.clone();
    let before = hold.held();
    hold.hold_answers();
    let body = person.registration();
    let in_flight = tokio::spawn(async move { client.post("/api/v1/users").json(&body).await });
    hold.held_after(before).await;
    let profile = platform.process(Service::Profile).process();
    profile.terminate();
    profile.wait_for_line("stopping").await;
    hold.resume();
    let answer = in_flight.await.unwrap().must(201);
    assert_eq!(answer.text("email"), person.email);
    assert_eq!(profile.wait().await.code(), Some(0), "{}", profile.output());
}

#[tokio::test]
async fn every_service_stops_with_zero_and_comes_back() {
    let mut platform = Platform::services().await;
    let (person, login) = platform.client.newcomer_in().await;
    for (service, _) in SERVICES {
        let asked = Instant::now();
        let status = platform.stop(service).await;
        assert_eq!(
            status.code(),
            Some(0),
            "{service}: {}",
            platform.process(service).log()
        );
        assert!(
            asked.elapsed() < AT_ONCE,
            "{service} took {:?}",
            asked.elapsed()
        );
        let log = platform.process(service).log();
        assert!(!log.contains("panicked"), "{service}: {log}");
    }
    for (service, _) in SERVICES {
        platform.restart(service).await;
    }
    // Keys, sessions and users are as they were.
    platform.accepted_everywhere(&login.access).await;
    let next = platform.client.refresh(&login).await;
    platform.accepted_everywhere(&next.access).await;
    let _ = platform.client.log_in(&person).await;
}

#[tokio::test]
async fn registrations_in_flight_are_finished_whoever_of_the_threads_has_nothing_left_to_do() {
    // Each comes from a client of its own: they are not to wait for each other's places.
    let options = Options::new(Kind::Standalone).set("TRUSTED_PROXIES", "127.0.0.1");
    let platform = options.start().await;
    let port = platform.directory.public_port(Service::Profile);
    let mut held = Vec::new();
    for i in 0..12 {
        let body = Person::new().registration().to_string();
        let (first, last) = body.split_at(body.len() - 1);
        let head = format!(
            "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.{i}.7\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let sent = format!("{head}{first}");
        stream.write_all(sent.as_bytes()).await.unwrap();
        held.push((stream, last.to_owned()));
    }
    let _ = platform.client.get("/api/v1/auth/validate").await;
    let process = platform.process(Service::Profile).process();
    process.terminate();
    process.wait_for_line("stopping").await;
    // One after another: threads run out of requests long before the process does.
    for (mut stream, last) in held {
        stream.write_all(last.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 201"),
            "{answer}\n{}",
            process.output()
        );
    }
    assert_eq!(process.wait().await.code(), Some(0), "{}", process.output());
}
