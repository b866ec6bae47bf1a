//! Whoever verifies with the JWK set follows rotation and revocation, under load and with auth away (SECURITY rule 16).

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use auth_service::models::signing_key::PUBLISH_AHEAD;
use reqwest::Method;
use serde_json::Value;
use testkit::{AUDIENCE, Backend, ISSUER};
use ud_config::Algorithm;
use ud_jwt::{JwksClient, KeySource, Refusal, TokenError, Verifier};
use ud_kernel::Clock;

use crate::{
    key_rotation::{kid_of, log_in, revoke, rotate},
    world::{PASSWORD, World, outcome, text},
};

const VERIFIERS: usize = 4;
const USERS: usize = 4;
/// A fetch begins so long after the one before: what bounds a revocation that nobody tells of.
const POLL: Duration = Duration::from_secs(10);

/// A service of its own, as far as tokens go.
#[derive(Clone)]
struct Follower {
    keys: KeySource,
    verifier: Verifier,
}

impl Follower {
    fn new(world: &World) -> Self {
        let url = format!("{}/.well-known/jwks.json", world.internal);
        let keys = KeySource::remote(JwksClient::new(url.parse().unwrap(), false).unwrap());
        tokio::spawn(keys.clone().keep_fresh());
        let clock: Clock = world.clock.clone();
        Self {
            verifier: Verifier::new(ISSUER, AUDIENCE, keys.clone(), clock),
            keys,
        }
    }

    async fn verify(&self, token: &Value) -> Result<(), TokenError> {
        self.verifier.verify(text(token)).await.map(drop)
    }
}

/// What the users' requests came to.
#[derive(Default)]
struct Traffic {
    stop: AtomicBool,
    verified: AtomicUsize,
    failed: Mutex<Vec<String>>,
    kids: Mutex<HashSet<String>>,
}

impl Traffic {
    fn note(&self, what: &str, outcome: Result<(), impl std::fmt::Debug>) {
        match outcome {
            Ok(()) => drop(self.verified.fetch_add(1, Ordering::Relaxed)),
            Err(error) => self
                .failed
                .lock()
                .unwrap()
                .push(format!("{what}: {error:?}")),
        }
    }
}

/// Refreshes again and again, and shows the new token and the one before to every follower.
async fn use_tokens(world: &World, email: String, followers: &[Follower], traffic: &Traffic) {
    let mut tokens = world.login(&email, PASSWORD).await;
    while !traffic.stop.load(Ordering::Relaxed) {
        let (status, next) = world.refresh(&tokens["refresh_token"]).await;
        traffic.note(
            "refresh",
            if status == 200 {
                Ok(())
            } else {
                Err(next.clone())
            },
        );
        if status != 200 {
            return;
        }
        traffic
            .kids
            .lock()
            .unwrap()
            .insert(kid_of(&next["access_token"]));
        for token in [&next["access_token"], &tokens["access_token"]] {
            for follower in followers {
                traffic.note("verify", follower.verify(token).await);
            }
            traffic.note("validate", validate(world, token).await);
        }
        tokens = next;
    }
}

/// On a busy machine it may happen that nobody can tell in time whether the session lives: clients ask again then.
async fn validate(world: &World, token: &Value) -> Result<(), (u16, String)> {
    loop {
        let path = "/api/v1/auth/validate";
        let request = world.ask(Method::GET, path).bearer_auth(text(token));
        match outcome(request).await {
            (200, _) => return Ok(()),
            (503, code) if code == "auth.revocation-unavailable" => {}
            other => return Err(other),
        }
    }
}

async fn rotation_harms_nobody(backend: Backend, algorithm: Algorithm) {
    let world = World::start_with(backend, |config, _| config.signing.algorithm = algorithm).await;
    world.register("ada@example.com").await;
    let keeper = log_in(&world).await;
    let followers: Vec<Follower> = (0..VERIFIERS).map(|_| Follower::new(&world)).collect();
    let emails: Vec<String> = (0..USERS).map(|n| format!("user{n}@example.com")).collect();
    for email in &emails {
        world.register(email).await;
    }
    let traffic = Arc::new(Traffic::default());
    let users = emails
        .into_iter()
        .map(|email| use_tokens(&world, email, &followers, &traffic));
    let rotation = async {
        let (status, new) = rotate(&world, &keeper).await;
        assert_eq!(status, 202, "{new}");
        // The 10 minutes of publishing, as followers see them: each has fetched by itself.
        let before: Vec<u64> = followers.iter().map(|f| f.keys.fetch_counts().0).collect();
        let all_fetched = async || {
            let mut fetched = followers.iter().zip(&before);
            fetched
                .all(|(f, before)| f.keys.fetch_counts().0 > *before)
                .then_some(())
        };
        world.until(all_fetched).await;
        world.clock.advance(PUBLISH_AHEAD);
        let seen = traffic.verified.load(Ordering::Relaxed);
        let enough = async || {
            let new_ones = traffic.kids.lock().unwrap().contains(text(&new["kid"]));
            let verified = traffic.verified.load(Ordering::Relaxed);
            (new_ones && verified > seen + 400).then_some(())
        };
        world.until(enough).await;
        traffic.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(futures_util::future::join_all(users), rotation);
    assert_eq!(
        *traffic.failed.lock().unwrap(),
        Vec::<String>::new(),
        "{backend}"
    );
    assert_eq!(traffic.kids.lock().unwrap().len(), 2, "{backend}");
    for follower in &followers {
        assert_eq!(
            follower.keys.fetch_counts().1,
            0,
            "{backend}: no fetch failed"
        );
    }
}

#[actix_web::test]
async fn a_rotation_under_load_fails_no_request_with_ed25519() {
    rotation_harms_nobody(Backend::Sqlite, Algorithm::EdDsa).await;
}

#[actix_web::test]
async fn a_rotation_under_load_fails_no_request_with_es256() {
    rotation_harms_nobody(Backend::Postgres, Algorithm::Es256).await;
}

#[actix_web::test]
async fn a_rotation_under_load_fails_no_request_with_rs256() {
    rotation_harms_nobody(Backend::Mysql, Algorithm::Rs256).await;
}

#[actix_web::test]
async fn followers_live_on_known_keys_while_auth_is_away() {
    let mut world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    let seen = log_in(&world).await;
    let unseen = log_in(&world).await;
    let followers: Vec<Follower> = (0..VERIFIERS).map(|_| Follower::new(&world)).collect();
    for follower in &followers {
        follower.verify(&seen).await.unwrap();
    }
    world.stop();
    for follower in &followers {
        let failed = async || (follower.keys.fetch_counts().1 > 0).then_some(());
        world.until(failed).await;
        for token in [&seen, &unseen] {
            follower.verify(token).await.unwrap();
        }
        follower.verify(&unseen).await.unwrap();
    }
}

#[actix_web::test]
async fn a_revoked_key_is_refused_by_all_within_a_fetch_and_the_new_one_accepted_at_once() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    let token = log_in(&world).await;
    let followers: Vec<Follower> = (0..VERIFIERS).map(|_| Follower::new(&world)).collect();
    for follower in &followers {
        let known = async || follower.keys.has_keys().then_some(());
        world.until(known).await;
        follower.verify(&token).await.unwrap();
    }
    let kid = kid_of(&token);
    assert_eq!(
        revoke(&world, &Value::from(kid.as_str()), &token).await.0,
        200
    );
    let revoked = Instant::now();
    // Session is told, and tells every verifier; these follow the JWK set alone.
    let told = world.peers.with(|s| s.revoked_keys.clone());
    assert_eq!(told, [kid]);
    const UNKNOWN: TokenError = TokenError::Invalid(Refusal::UnknownKey);
    let all_refuse = async || {
        for follower in &followers {
            if follower.verify(&token).await != Err(UNKNOWN) {
                return None;
            }
        }
        Some(())
    };
    world.until(all_refuse).await;
    let took = revoked.elapsed();
    assert!(took < POLL + Duration::from_secs(4), "{took:?}");

    // A key that signs before anybody has fetched it: one fetch, no refusal.
    let newcomer = Follower::new(&world);
    let fresh = log_in(&world).await;
    for follower in followers.iter().chain([&newcomer]) {
        follower.verify(&fresh).await.unwrap();
    }
    let again = world
        .ask(Method::GET, "/api/v1/auth/validate")
        .bearer_auth(text(&fresh));
    assert_eq!(again.send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn a_token_of_a_key_that_signs_at_once_is_accepted_after_one_fetch() {
    let world = World::start(Backend::Sqlite).await;
    world.register("ada@example.com").await;
    let token = log_in(&world).await;
    let follower = Follower::new(&world);
    let known = async || follower.keys.has_keys().then_some(());
    world.until(known).await;
    assert_eq!(
        revoke(&world, &Value::from(kid_of(&token)), &token).await.0,
        200
    );
    let fresh = log_in(&world).await;
    let before = follower.keys.fetch_counts().0;
    let many = (0..50).map(|_| follower.verify(&fresh));
    let verified = futures_util::future::join_all(many).await;
    assert!(verified.iter().all(Result::is_ok), "{verified:?}");
    assert!(follower.keys.fetch_counts().0 <= before + 1);
}
