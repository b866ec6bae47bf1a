//! Registrations whose services are killed between any two steps (SECURITY rule 7).

use std::time::{Duration, Instant};

use end_to_end::{Kind, Options, Person, Platform, Proxy, any_below, rounds};
use rstest::rstest;
use ud_kernel::{Code, Service};

use crate::registration::{assert_one_won, outcome, rivals};

/// How soon a user whose registration auth had committed can use their account again.
const SOON: Duration = Duration::from_secs(1);

/// For how long a registration that died may count as running.
const LOCKED: Duration = Duration::from_secs(15);

/// Where a registration stands when profile dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The user is pending; auth was not reached.
    Reserved,
    /// Auth has committed; profile does not know.
    Committed,
    /// Everything is done; the client does not know.
    Answered,
}

/// Starts a registration, kills profile at `point`, starts it again; the platform and who registered.
async fn killed_at(point: Point, key: Option<&str>) -> (Platform, Person) {
    let options = Options::new(Kind::Services);
    let options = if point == Point::Answered {
        options.hold_public(Service::Profile)
    } else {
        options.hold_before(Service::Auth)
    };
    let mut platform = options.start().await;
    let person = Person::new();
    let links = platform.links();
    let hold: &Proxy = links
        .held_callee
        .as_ref()
        .or(links.held_public.as_ref())
        .unwrap();
    let before = hold.held();
    match point {
        Point::Reserved => hold.hold_requests(),
        Point::Committed | Point::Answered => hold.hold_answers(),
    }
    let client = platform.client.clone();
    let mut call = client.post("/api/v1/users").json(&person.registration());
    if let Some(key) = key {
        call = call.header("idempotency-key", key);
    }
    let in_flight = tokio::spawn(call.try_send());
    hold.held_after(before).await;
    platform.kill(Service::Profile);
    platform
        .links()
        .held_callee
        .iter()
        .chain(&platform.links().held_public)
        .for_each(Proxy::resume);
    // Nobody was told that it worked.
    if let Ok(answer) = in_flight.await.unwrap() {
        assert!(
            point == Point::Answered || answer.status == 503,
            "{answer:?}"
        );
    }
    platform.restart(Service::Profile).await;
    (platform, person)
}

/// Sends a call again as long as it is answered that the first one still runs, as `Retry-After` says.
async fn patiently(call: impl Fn() -> end_to_end::Call) -> end_to_end::Answer {
    let asked = Instant::now();
    loop {
        let answer = call().await;
        if answer.code() != Some(Code::REQUEST_IDEMPOTENCY_IN_PROGRESS.as_str()) {
            return answer;
        }
        let pause: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=LOCKED.as_secs()).contains(&pause), "{answer:?}");
        assert!(asked.elapsed() < LOCKED, "it is still not over: {answer:?}");
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_retry_with_the_same_key_ends_what_was_begun(
    #[values(Point::Reserved, Point::Committed, Point::Answered)] point: Point,
) {
    let key = end_to_end::unique();
    let (platform, person) = killed_at(point, Some(&key)).await;
    let client = &platform.client;
    let register = || {
        let call = client.post("/api/v1/users").json(&person.registration());
        call.header("idempotency-key", &key)
    };
    let first = patiently(register).await.must(201);
    let second = register().await.must(201);
    assert_eq!(first.json(), second.json());
    let login = client.log_in(&person).await;
    assert_eq!(login.user, first.text("id"));
    let me = client
        .get("/api/v1/users/me")
        .bearer(&login.access)
        .await
        .must(200);
    assert_eq!(me.json(), first.json());
}

#[rstest]
#[tokio::test]
async fn a_retry_without_a_key_takes_nothing_over(
    #[values(Point::Reserved, Point::Committed, Point::Answered)] point: Point,
) {
    let (platform, person) = killed_at(point, None).await;
    let returned = Instant::now();
    let client = &platform.client;
    if point != Point::Reserved {
        // The first user has the account, within a second of profile's return.
        let login = client.log_in(&person).await;
        loop {
            let asked = Instant::now();
            let me = client.get("/api/v1/users/me").bearer(&login.access).await;
            if me.status == 200 {
                assert_eq!(me.text("email"), person.email);
                break;
            }
            assert!(asked - returned < SOON, "{me:?}");
        }
    }
    // Somebody else with the same address, and another password.
    let other = Person {
        email: person.email.clone(),
        ..Person::new()
    };
    let retry = client
        .post("/api/v1/users")
        .json(&other.registration())
        .await;
    if point == Point::Reserved {
        let id = retry.must(201).text("id");
        assert_one_won(&platform, &[person, other], &[None, Some(id)]).await;
    } else {
        retry.must_be(Code::USER_EMAIL_TAKEN);
        assert_one_won(&platform, &[person, other], &[None, None]).await;
    }
}

#[rstest]
#[tokio::test]
async fn auth_killed_before_or_after_its_commit(
    #[values(Point::Reserved, Point::Committed)] point: Point,
) {
    let mut platform = Options::new(Kind::Services)
        .hold_before(Service::Auth)
        .start()
        .await;
    let rivals = rivals();
    let hold = platform.links().held_callee.as_ref().unwrap();
    let before = hold.held();
    match point {
        Point::Reserved => hold.hold_requests(),
        _ => hold.hold_answers(),
    }
    let in_flight = platform
        .client
        .post("/api/v1/users")
        .json(&rivals[0].registration());
    let in_flight = tokio::spawn(in_flight.try_send());
    hold.held_after(before).await;
    platform.kill(Service::Auth);
    platform.links().held_callee.as_ref().unwrap().resume();
    let answer = in_flight.await.unwrap().unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    platform.restart(Service::Auth).await;
    let retry = platform
        .client
        .post("/api/v1/users")
        .json(&rivals[1].registration())
        .await;
    let won = [None, outcome(&retry)];
    assert_eq!(won[1].is_some(), point == Point::Reserved, "{retry:?}");
    assert_one_won(&platform, &rivals, &won).await;
}

#[rstest]
#[tokio::test]
async fn killed_at_any_moment_with_a_rival(#[values(Kind::Services, Kind::Standalone)] kind: Kind) {
    let mut platform = Platform::start(kind).await;
    let mut contests = Vec::new();
    for round in 0..rounds(50, 1_000) {
        let mut contest = Contest {
            rivals: rivals(),
            key: end_to_end::unique(),
            won: [None, None],
        };
        let in_flight = [0, 1].map(|index| contest.register(&platform, index));
        let in_flight = in_flight.map(|call| tokio::spawn(call.try_send()));
        let victim = [Service::Profile, Service::Auth][round % 2];
        tokio::time::sleep(Duration::from_micros(any_below(40_000))).await;
        platform.kill(victim);
        for (index, call) in in_flight.into_iter().enumerate() {
            // An answer that a dying process cut off is no answer.
            if let Ok(answer) = call.await.unwrap() {
                match answer.status {
                    201 => contest.note(index, answer.text("id")),
                    409 | 503 => {}
                    _ => panic!("round {round}: {answer:?}"),
                }
            }
        }
        platform.restart(victim).await;
        // In half of the rounds the one without a key is the first to try again.
        if round % 4 < 2 {
            contest.retry(&platform, 1).await;
        }
        contests.push(contest);
    }
    // By now the locks of what was cut off have ended.
    for contest in &mut contests {
        contest.retry(&platform, 0).await;
        contest.retry(&platform, 1).await;
        assert_one_won(&platform, &contest.rivals, &contest.won).await;
    }
}

/// Two who want one address, and what they were told.
struct Contest {
    rivals: [Person; 2],
    /// The first has an Idempotency-Key, the second has none.
    key: String,
    won: [Option<String>; 2],
}

impl Contest {
    fn register(&self, platform: &Platform, index: usize) -> end_to_end::Call {
        let call = platform.client.post("/api/v1/users");
        let call = call.json(&self.rivals[index].registration());
        if index == 0 {
            return call.header("idempotency-key", &self.key);
        }
        call
    }

    /// Notes that this rival was told of success: never both, and never with two ids.
    fn note(&mut self, index: usize, id: String) {
        let known = self.won[index].get_or_insert_with(|| id.clone());
        assert_eq!(*known, id, "the same registration made two users");
        let told = self.won.iter().flatten().count();
        assert_eq!(told, 1, "both were told that it worked: {:?}", self.won);
    }

    /// Registers again until there is an answer that counts.
    async fn retry(&mut self, platform: &Platform, index: usize) {
        let answer = patiently(|| self.register(platform, index)).await;
        // Without a key the winner is refused as well: a user with this address exists, their own.
        match answer.status {
            201 => self.note(index, answer.text("id")),
            _ => answer.must_be(Code::USER_EMAIL_TAKEN),
        }
    }
}
