//! Five hundred people behind one address.

use std::{collections::BTreeMap, time::Duration};

use auth_service::models::{
    credential::{self, NewCredential, identifier::Identifier, identifier_store},
    password::hash::PasswordHash,
};
use futures_util::future::join_all;
use testkit::Backend;
use ud_db::StoreError;

use crate::{
    attempts::attempt,
    world::{PASSWORD, World, limit},
};

const PEOPLE: usize = 500;
const SECONDS: u64 = 900;
const OFFICE: &str = "203.0.113.1";

fn email(person: usize) -> String {
    format!("person{person}@example.com")
}

async fn hire(world: &World) {
    let hash = PasswordHash::new(PASSWORD, 4).unwrap();
    let now = world.clock.now();
    let users: Vec<_> = (0..PEOPLE).map(|_| world.new_user()).collect();
    let insert = move |conn: &mut ud_db::DbConn| {
        for (person, user_id) in users.iter().enumerate() {
            let new = NewCredential {
                user_id: *user_id,
                password_hash: hash.clone(),
                created_at: now,
            };
            credential::store::insert(conn, &new)?;
            let written = email(person);
            let identifier = Identifier::email(&written).unwrap();
            identifier_store::insert(conn, *user_id, &identifier, &written, now)?;
        }
        Ok::<_, StoreError>(())
    };
    world.db.tx(insert).await.unwrap();
}

/// What somebody sends next, and whether it is sent again after a 503.
#[derive(Clone, Copy)]
struct Sending {
    person: usize,
    is_typo: bool,
    is_repeated: bool,
}

/// The limits, the pool and its waits as they are by default; the hash alone is cheap. People come at random in a quarter
/// of an hour, those of one second at once.
#[actix_web::test]
async fn five_hundred_people_of_one_address_log_in_within_a_quarter_of_an_hour() {
    let world = World::start_with(Backend::Sqlite, |config, _| {
        config
            .limits
            .operations
            .set(&ud_config::keys::LIMIT_LOGIN, limit(300, 60));
        config.hash_pool.threads = 2;
        config.hash_pool.queue = 16;
        config.hash_pool.max_wait = Duration::from_secs(2);
    })
    .await;
    hire(&world).await;
    let mut agenda: BTreeMap<u64, Vec<Sending>> = BTreeMap::new();
    // Knuth's generator: the same people at the same times in each run.
    let mut random = 42_u64;
    for person in 0..PEOPLE {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let sending = Sending {
            person,
            is_typo: person % 25 < 2,
            is_repeated: false,
        };
        agenda
            .entry((random >> 33) % SECONDS)
            .or_default()
            .push(sending);
    }
    let (mut inside, mut repeated, mut typos, mut second) = (0, 0, 0, 0);
    while let Some((at, sendings)) = agenda.pop_first() {
        world.clock.advance(Duration::from_secs(at - second));
        second = at;
        let answers = sendings.iter().map(|sending| {
            let password = if sending.is_typo {
                "Tr4vel quilt zebra 9"
            } else {
                PASSWORD
            };
            let login = attempt(&email(sending.person), password, OFFICE);
            let world = &world;
            async move { login.send(world).await }
        });
        for (sending, answer) in sendings.iter().zip(join_all(answers).await) {
            let (delay, next) = match (answer.status, sending.is_typo) {
                (200, false) => {
                    inside += 1;
                    continue;
                }
                (401, true) => {
                    typos += 1;
                    let corrected = Sending {
                        is_typo: false,
                        is_repeated: false,
                        ..*sending
                    };
                    (5, corrected)
                }
                (503, _) => {
                    assert!(!sending.is_repeated, "one retry is enough");
                    repeated += 1;
                    let again = Sending {
                        is_repeated: true,
                        ..*sending
                    };
                    (answer.wait, again)
                }
                (status, _) => panic!("person {} was told {status}", sending.person),
            };
            agenda.entry(at + delay).or_default().push(next);
        }
    }
    assert_eq!((inside, typos), (PEOPLE, 40));
    println!("{repeated} were told 503, and are in all the same");
}
