//! A platform of the last release on its way to this one and back.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use end_to_end::{Client, Kind, Options, Platform, Release, Running, eventually};
use testkit::Backend;
use ud_kernel::Service;

use crate::{audited::assert_all_once, crew::Crew, mix::Mix};

/// Returns the services in the order of `deploy/services`, in which they are upgraded, each with all its replicas
/// before the next (docs/UPGRADING.md); back in the reverse.
fn order() -> Vec<Service> {
    let lines = include_str!("../../deploy/services").lines();
    let names = lines.filter_map(|line| line.split_whitespace().next());
    let order: Vec<_> = names.filter_map(Service::from_name).collect();
    assert_eq!(order.len(), Service::ALL.len(), "{order:?}");
    order
}

/// Longer than the gateway keeps idle connections.
const DRAIN: &str = "3";
/// No request takes longer, whatever is replaced under it: its client has not given up.
const LONGEST: Duration = Duration::from_secs(2);
/// Every event has arrived by then, also one that was parked: it is tried again within five minutes.
const ARRIVAL: Duration = Duration::from_secs(330);
/// One request of so many is excused at most.
const EXCUSED: usize = 1000;
/// The metric of what waits.
const OLDEST: &str = "event_outbox_oldest_seconds{";
/// Requests that are answered between two steps.
const PACE: usize = 60;

/// Returns what `scripts/test-upgrade` says of the two releases.
#[expect(
    clippy::disallowed_methods,
    reason = "tells the tests what the last release is like"
)]
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: make test-upgrade"))
}

/// Names of the migrations that this release has and the last has not, for `backend`.
fn brought(backend: Backend) -> BTreeSet<String> {
    let paths = told("TEST_NEW_MIGRATIONS");
    let part = format!("/{backend}/");
    let names = paths
        .lines()
        .filter_map(|path| Some(path.split_once(&part)?.1.to_owned()));
    names.collect()
}

/// The platform, its load, and what is known so far.
pub struct Journey {
    platform: Platform,
    crew: Crew,
    mix: Mix,
    last: Release,
    /// The last release is that of "From 3a0a326" in docs/UPGRADING.md: it stops without a drain, so that it is taken out of
    /// NGINX before, and its verifiers ask about every token when a replica of session stops.
    is_from_first: bool,
    /// Names of the migrations that this release brings.
    brought: BTreeSet<String>,
    /// Those that were applied and not undone, in their order.
    applied: BTreeMap<Service, Vec<String>>,
    since: Instant,
}

impl Journey {
    /// Starts two replicas of each service of the last release, and the load on them.
    pub async fn begin(backend: Backend) -> Self {
        let last = Release::last();
        let options = Options::new(Kind::Services).replicated().on(backend);
        let options = options.of_release(last.clone());
        let platform = options.set("SHUTDOWN_DRAIN_SECONDS", DRAIN).start().await;
        let crew = Crew::begin(&platform).await;
        let mut journey = Self {
            platform,
            crew,
            mix: Mix::default(),
            last,
            is_from_first: told("TEST_OLD_IS_FIRST") == "yes",
            brought: brought(backend),
            applied: BTreeMap::new(),
            since: Instant::now(),
        };
        journey.stage("the last release").await;
        journey
    }

    /// Runs the migrations of this release under the programs of the last.
    pub async fn migrate(&mut self) {
        self.crew.enter("migrating");
        for service in order() {
            let (code, said) = self.run(service, &["migrate"]).await;
            assert_eq!(code, Some(0), "{service}: {said}");
            let names = said.lines().filter_map(|line| {
                let rest = line.split_once("migration ")?.1;
                Some(rest.split_once(" applied")?.0.to_owned())
            });
            self.applied.insert(service, names.collect());
        }
        let applied = self
            .applied
            .values()
            .flatten()
            .cloned()
            .collect::<BTreeSet<_>>();
        assert_eq!(applied, self.brought);
        println!("  applied: {:?}", self.applied);
        self.stage("the last release on the new schema").await;
    }

    /// Replaces every replica by the program of this release.
    pub async fn go_up(&mut self) {
        for service in order() {
            self.replace(service, &Release::This).await;
        }
    }

    /// Replaces every replica by the program of the last release.
    pub async fn go_down(&mut self) {
        let last = self.last.clone();
        for service in order().into_iter().rev() {
            self.replace(service, &last).await;
        }
    }

    /// Undoes the migrations of this release, under the programs of the last.
    pub async fn revert(&mut self) {
        self.crew.enter("reverting");
        for service in order().into_iter().rev() {
            for name in self
                .applied
                .remove(&service)
                .unwrap_or_default()
                .iter()
                .rev()
            {
                let version = format!("--revert={name}");
                let (code, said) = self.run(service, &["migrate", &version]).await;
                assert_eq!(code, Some(64), "{service}: {said}");
                assert!(said.contains(name), "{said}");
                let (code, said) = self.run(service, &["migrate", &version, "--yes"]).await;
                assert_eq!(code, Some(0), "{service}: {said}");
                println!("  {}", said.lines().collect::<Vec<_>>().join("\n  "));
            }
        }
        self.stage("the last release on its own schema again").await;
    }

    /// Ends the load, and asserts that nobody was failed and nothing was lost or doubled.
    pub async fn end(self) {
        let mut report = self.crew.end().await;
        let admin = self.platform.client.log_in(&self.platform.chief).await;
        let is_excused = |failure: &String| {
            let is_sessions = failure.starts_with("session ");
            let is_told = failure.contains("503") && failure.contains("retry-after");
            let is_unknown = failure.contains("auth.revocation-unavailable");
            self.is_from_first && is_sessions && is_told && is_unknown
        };
        let (excused, failures) = report
            .failures
            .iter()
            .partition::<Vec<_>, _>(|f| is_excused(f));
        println!(
            "  {} requests, {} failed, {} were unknown to verifiers of the first release; the slowest {:?}; {} refreshes of sessions of earlier stages in {} stages; \
             a revoked token was refused by all ten replicas after {:?} at most; {:?} in all",
            report.sent,
            failures.len(),
            excused.len(),
            report.slowest,
            self.mix.refreshes,
            self.mix.stages,
            self.mix.slowest_refusal,
            self.since.elapsed(),
        );
        assert!(failures.is_empty(), "of {}: {failures:#?}", report.sent);
        assert!(excused.len() * EXCUSED < report.sent, "{excused:#?}");
        assert!(report.slowest < LONGEST, "{:?}", report.slowest);
        until_sent(&self.platform).await;
        report.owed.add(self.mix.owed);
        let records = assert_all_once(&self.platform, &admin, &report.owed).await;
        println!("  {records} audit records, each once");
    }

    async fn replace(&mut self, service: Service, release: &Release) {
        for number in 0..2 {
            let label = match release {
                Release::This => "this release",
                Release::In(_) => "the last release",
            };
            let stage = format!("{service} {}/2 to {label}", number + 1);
            self.crew.enter(&stage);
            let is_taken_out = self.is_from_first && *release == Release::This;
            if is_taken_out {
                self.platform.take_out(Some((service, number))).await;
            }
            let replica = self.replica(service, number);
            let status = replica.stop().await;
            assert_eq!(status.code(), Some(0), "{stage}: {}", replica.log());
            self.crew.go_on(PACE / 3).await;
            let replica = self.replica(service, number);
            replica.become_program(release.program_of(service));
            replica.start_again();
            replica.until_ready().await;
            if is_taken_out {
                self.platform.take_out(None).await;
            }
            self.stage(&stage).await;
        }
    }

    /// Looks at everything, with the load going on.
    async fn stage(&mut self, stage: &str) {
        self.crew.enter(stage);
        let (since, before) = (Instant::now(), self.crew.so_far());
        self.crew.go_on(PACE).await;
        self.mix.check(&self.platform).await;
        let (sent, failed) = self.crew.so_far();
        let (sent, failed) = (sent - before.0, failed - before.1);
        println!(
            "  {stage}: {sent} requests in {:?}, {failed} failed",
            since.elapsed()
        );
    }

    fn replica(&mut self, service: Service, number: usize) -> &mut Running {
        let all = self.platform.replicas_mut();
        let mut own = all
            .filter(|(of, _)| *of == service)
            .map(|(_, replica)| replica);
        own.nth(number).unwrap()
    }

    /// Runs a command of this release's program of `service`.
    async fn run(&mut self, service: Service, arguments: &[&str]) -> (Option<i32>, String) {
        let program = Release::This.program_of(service);
        self.replica(service, 0).run_as(&program, arguments).await
    }
}

/// Waits until no event waits at any replica for any receiver.
async fn until_sent(platform: &Platform) {
    let directory = &platform.directory;
    // Audit sends nothing.
    let senders = Service::ALL
        .into_iter()
        .filter(|service| *service != Service::Audit);
    let ports = senders.flat_map(|service| {
        let second = directory.second_ports(service).1;
        [directory.internal_port(service), second]
    });
    for port in ports {
        let base = format!("http://127.0.0.1:{port}");
        let client = Client::new(base, Ipv4Addr::LOCALHOST, platform.secrets.clone());
        eventually(ARRIVAL, "no event waits", || async {
            let metrics = client.get("/metrics").await.must(200).body;
            let metrics = String::from_utf8(metrics).unwrap();
            let of_each: Vec<_> = metrics
                .lines()
                .filter(|line| line.starts_with(OLDEST))
                .collect();
            assert!(!of_each.is_empty(), "{metrics}");
            let is_none = of_each.iter().all(|line| line.ends_with(" 0"));
            is_none.then_some(())
        })
        .await;
    }
}
