use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use testkit::{Gates, Proxy, TestIdentities, TestIssuer, new_key_ring};
use ud_jwt::service::ServiceVerifier;
use ud_kernel::{Clock, Service, Timestamp, UserId};

#[tokio::test]
async fn a_held_flow_stands_until_released() {
    let gates = Gates::new();
    let mut gate = gates.hold_at("flow.second");
    let (failpoints, done) = (gates.failpoints(), Arc::new(Mutex::new(false)));
    let flag = Arc::clone(&done);
    let flow = tokio::spawn(async move {
        failpoints.at("flow.first").await;
        failpoints.at("flow.second").await;
        *flag.lock().unwrap() = true;
        failpoints.at("flow.second").await;
    });
    let arrival = gate.arrived().await;
    assert_eq!(arrival.name(), "flow.second");
    assert_eq!(gates.passed(), ["flow.first", "flow.second"]);
    assert!(gate.try_arrived().is_none() && !*done.lock().unwrap());
    arrival.release();
    let again = gate.arrived().await;
    assert!(*done.lock().unwrap());
    drop((again, gate));
    flow.await.unwrap();
}

#[tokio::test]
async fn an_abandoned_flow_never_goes_on() {
    let gates = Gates::new();
    let mut gate = gates.hold_everywhere();
    let failpoints = gates.failpoints();
    let flow = tokio::spawn(async move { failpoints.at("flow.first").await });
    gate.arrived().await.abandon();
    drop(gate);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!flow.is_finished());
    flow.abort();
}

/// Answers every byte with the same byte.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
            });
        }
    });
    port
}

fn round_trip(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok()
}

#[test]
fn a_proxy_is_cut_hangs_and_resumes() {
    let proxy = Proxy::to_port(echo());
    let connect = || {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    };
    let mut first = connect();
    assert!(round_trip(&mut first));

    proxy.hang();
    first.write_all(b"a").unwrap();
    first
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(first.read_exact(&mut [0]).is_err(), "nothing comes through");
    proxy.resume();
    first
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    first.read_exact(&mut [0]).unwrap();

    proxy.cut();
    assert_eq!(first.read(&mut [0]).unwrap_or(0), 0, "closed, not silent");
    assert!(!round_trip(&mut connect()));
    proxy.resume();
    assert!(round_trip(&mut connect()));

    let url = proxy.instead_of("postgres://u:p@db:5432/d?x=@");
    assert_eq!(
        url,
        format!("postgres://u:p@127.0.0.1:{}/d?x=@", proxy.port())
    );
}

#[tokio::test]
async fn tokens_are_accepted_by_the_real_verifiers() {
    let clock = Clock::manual(Timestamp::from_secs(1_700_000_000));
    let issuer = TestIssuer::new(clock.clone());
    let user = UserId::new(clock.now());
    let token = issuer.token(user, &["users:read"], &["reader"]);
    let verified = issuer.verifier().verify(&token).await.unwrap();
    assert_eq!(verified.claims().sub, user);
    assert_eq!(verified.claims().roles, ["reader", "user"]);
    assert!(
        TestIssuer::new(clock.clone())
            .verifier()
            .verify(&token)
            .await
            .is_err()
    );
    assert!(issuer.jwks().contains(issuer.key().kid()));

    let identities = TestIdentities::new(clock.clone());
    let verifier = ServiceVerifier::new(Service::Auth, identities.peers(), clock);
    let caller = verifier
        .verify(&identities.token(Service::Profile, Service::Auth))
        .unwrap();
    assert_eq!(caller.service, Service::Profile);
    assert!(
        verifier
            .verify(&identities.token(Service::Profile, Service::Role))
            .is_err()
    );

    let folder = tempfile::tempdir().unwrap();
    identities.write_to(folder.path());
    assert!(folder.path().join("peers.json").exists());
    assert!(TestIdentities::key_file(folder.path(), Service::Audit).exists());
    assert_ne!(new_key_ring("k1"), new_key_ring("k1"));
}
