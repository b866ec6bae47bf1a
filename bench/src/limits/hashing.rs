//! bcrypt on all cores, without a server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use aws_lc_rs::hmac;
use base64::{
    Engine as _, alphabet,
    engine::{
        GeneralPurpose,
        general_purpose::{NO_PAD, STANDARD},
    },
};

use crate::{pace::cores, stats::Figure};

/// The cost of passwords unless configured otherwise.
const COST: u32 = 12;
const BCRYPT_64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// Hashes `count` passwords as auth does (passlib's `bcrypt_sha256`), on as many threads as there are cores.
pub async fn hashes(count: usize) -> Figure {
    let hashing = tokio::task::spawn_blocking(move || {
        let left = Arc::new(AtomicUsize::new(count));
        let begun = Instant::now();
        let threads: Vec<_> = (0..cores())
            .map(|_| {
                let left = Arc::clone(&left);
                thread::spawn(move || {
                    let mut times = Vec::new();
                    let take = |n: usize| n.checked_sub(1);
                    while let Ok(number) =
                        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    {
                        let begun = Instant::now();
                        hash(&format!("Quittenbaum {number} am Fluss"));
                        times.push(begun.elapsed());
                    }
                    times
                })
            })
            .collect();
        let times = threads.into_iter().flat_map(|t| t.join().expect("hashed"));
        let times: Vec<_> = times.collect();
        Figure::new(count as f64 / begun.elapsed().as_secs_f64(), times)
    });
    hashing.await.expect("hashed")
}

fn hash(password: &str) -> [u8; 24] {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).expect("random bytes");
    let key = hmac::Key::new(hmac::HMAC_SHA256, BCRYPT_64.encode(salt).as_bytes());
    let short = STANDARD.encode(hmac::sign(&key, password.as_bytes()));
    std::hint::black_box(bcrypt::bcrypt(COST, salt, short.as_bytes()))
}
