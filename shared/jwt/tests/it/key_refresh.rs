//! Following an issuer's keys: in the background, on request, and when one is revoked (SECURITY rule 16).

use std::time::Duration;

use wiremock::ResponseTemplate;

use crate::{
    jwks::{Issuer, UNKNOWN, key, set_of},
    support::{Frozen, claims},
};

#[tokio::test]
async fn the_background_task_fetches_until_there_is_a_set_and_then_every_ten_seconds() {
    let _frozen = Frozen::new();
    let (old, new) = (key(), key());
    let issuer = Issuer::answering(ResponseTemplate::new(500)).await;
    let task = tokio::spawn(issuer.keys.clone().keep_fresh());
    let counts = async |expected: (u64, u64)| {
        while issuer.keys.fetch_counts() != expected {
            tokio::task::yield_now().await;
        }
    };
    // Timers strike at whole milliseconds: one more than the pause.
    counts((1, 1)).await;
    issuer.answer(set_of(&[&old])).await;
    settle().await;
    tokio::time::advance(Duration::from_millis(1_001)).await;
    while !issuer.keys.has_keys() {
        tokio::task::yield_now().await;
    }
    let token = old.sign(&claims()).unwrap();
    issuer.verifier.verify(&token).await.unwrap();

    issuer.answer(set_of(&[&new])).await;
    settle().await;
    tokio::time::advance(Duration::from_secs(9)).await;
    settle().await;
    assert_eq!(issuer.requests().await, 0);
    tokio::time::advance(Duration::from_millis(1_001)).await;
    let of_new = new.sign(&claims()).unwrap();
    counts((3, 1)).await;
    issuer.verifier.verify(&of_new).await.unwrap();
    assert_eq!(
        issuer.verifier.verify(&token).await,
        Err(UNKNOWN),
        "its key is gone"
    );
    assert_eq!(
        issuer.keys.fetch_counts(),
        (4, 1),
        "once more for that token"
    );
    task.abort();
}

/// Lets the background task come to its pause: everything it does between fetch and pause is ready.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_is_told_of_a_change_fetches_at_once() {
    let _frozen = Frozen::new();
    let (old, new) = (key(), key());
    let issuer = Issuer::with_keys(&[&old]).await;
    let task = tokio::spawn(issuer.keys.clone().keep_fresh());
    while !issuer.keys.has_keys() {
        tokio::task::yield_now().await;
    }
    // Somebody has just used up what an unknown key may cause.
    let stranger = key().sign(&claims()).unwrap();
    assert_eq!(issuer.verifier.verify(&stranger).await, Err(UNKNOWN));
    let (fetches, _) = issuer.keys.fetch_counts();
    issuer.answer(set_of(&[&new])).await;
    let token = new.sign(&claims()).unwrap();
    assert_eq!(issuer.verifier.verify(&token).await, Err(UNKNOWN));
    issuer.keys.look_again();
    while issuer.keys.fetch_counts().0 == fetches {
        tokio::task::yield_now().await;
    }
    // Whoever comes while that fetch is under way waits for it.
    issuer.verifier.verify(&token).await.unwrap();
    assert_eq!(issuer.keys.fetch_counts(), (fetches + 1, 0));
    task.abort();
}

#[tokio::test]
async fn a_fixed_source_has_nothing_to_keep_fresh() {
    let keys = ud_jwt::KeySource::fixed(ud_jwt::KeySet::default());
    keys.clone().keep_fresh().await;
    assert!(keys.has_keys());
    assert_eq!(keys.fetch_counts(), (0, 0));
}

#[tokio::test]
async fn known_keys_stay_for_as_long_as_the_issuer_is_away() {
    let _frozen = Frozen::new();
    let signing = key();
    let issuer = Issuer::with_keys(&[&signing]).await;
    let task = tokio::spawn(issuer.keys.clone().keep_fresh());
    while !issuer.keys.has_keys() {
        tokio::task::yield_now().await;
    }
    issuer.answer(ResponseTemplate::new(503)).await;
    for failed in 1..=50 {
        settle().await;
        tokio::time::advance(Duration::from_secs(3600)).await;
        while issuer.keys.fetch_counts().1 < failed {
            tokio::task::yield_now().await;
        }
        let token = signing.sign(&claims()).unwrap();
        issuer.verifier.verify(&token).await.unwrap();
    }
    issuer.answer(set_of(&[&key()])).await;
    settle().await;
    tokio::time::advance(Duration::from_millis(10_001)).await;
    let token = signing.sign(&claims()).unwrap();
    // Until the answer is there, the old key is known.
    let refused = loop {
        match issuer.verifier.verify(&token).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, UNKNOWN);
    task.abort();
}
