//! Memory of the processes, idle and after all the load of the run.

use std::time::Duration;

use end_to_end::{Kind, Platform};
use ud_kernel::Service;

use super::login::LoggingIn;
use crate::{
    drive::{Until, closed},
    pace::{Pace, cores},
    report::{Row, Target},
    wire::Wire,
    world::{Memory, World, site},
    wrk,
};

const MIB: f64 = 1024.0 * 1024.0;
/// Sum of the services' shares, in MiB.
const SERVICES_BOUND: f64 = 40.0;
/// Resident pages of standalone, in MiB.
const STANDALONE_BOUND: f64 = 20.0;
/// What begins with the start has ended by then: the first administrator is made, keys are fetched.
const SETTLED: Duration = Duration::from_secs(3);

/// Memory of the services before any load.
#[derive(Debug)]
pub struct Idle(Vec<(Service, Memory)>);

impl Idle {
    /// Of services that have just been started.
    pub async fn measure(world: &World) -> Self {
        tokio::time::sleep(SETTLED).await;
        Self(Memory::of_services(&world.platform))
    }

    /// A row for each service, and their sum.
    pub async fn compare(&self, world: &World) -> Vec<Row> {
        let after = Memory::of_services(&world.platform);
        let mut rows = Vec::new();
        for ((service, idle), (_, after)) in self.0.iter().zip(&after) {
            rows.push(Row::told(
                &format!("memory, {service}"),
                told(*idle, *after),
            ));
        }
        let sum = |all: &[(Service, Memory)]| {
            let sum = |of: fn(&Memory) -> u64| all.iter().map(|(_, memory)| of(memory)).sum();
            Memory {
                pss: sum(|m| m.pss),
                rss: sum(|m| m.rss),
            }
        };
        let (idle, after) = (sum(&self.0), sum(&after));
        let row = Row::told("memory, the services", told(idle, after));
        let target = Target::AtMost(SERVICES_BOUND, "MiB PSS idle");
        rows.push(row.judged(target, idle.pss as f64 / MIB, Duration::ZERO));
        rows
    }
}

/// Standalone on fresh files, idle and after a little of everything.
pub async fn standalone(pace: Pace) -> Row {
    let platform = site(Kind::Standalone, None)
        .without_administrator()
        .start()
        .await;
    tokio::time::sleep(SETTLED).await;
    let pid = platform.process(Service::Auth).process().pid();
    let idle = Memory::of(pid);
    let complaint = use_it(&platform, pace).await;
    let after = Memory::of(pid);
    let target = Target::AtMost(STANDALONE_BOUND, "MiB RSS idle");
    Row::told("memory, standalone", told(idle, after))
        .complaint(complaint)
        .judged(target, idle.rss as f64 / MIB, Duration::ZERO)
}

async fn use_it(platform: &Platform, pace: Pace) -> Option<String> {
    let port = platform.directory.gateway_port();
    let wires = Wire::open_all(port, 2 * cores()).await.expect("it listens");
    let clients = wires
        .into_iter()
        .map(|wire| LoggingIn::new(wire, &platform.chief));
    let (logins, _) = closed(clients.collect(), Until::Count(4 * cores())).await;
    let login = platform.client.log_in(&platform.chief).await;
    let url = |path| format!("{}{path}", platform.client.base());
    let validations = url("/api/v1/auth/validate");
    let validations = wrk::get(&validations, &login.access, pace.warm, pace.span).await;
    let reads = url("/api/v1/users/me");
    let reads = wrk::get(&reads, &login.access, pace.warm, pace.span).await;
    [logins, validations, reads]
        .iter()
        .find_map(|figure| figure.complaint())
}

fn told(idle: Memory, after: Memory) -> String {
    let mib = |bytes: u64| bytes as f64 / MIB;
    format!(
        "{:.1} MiB PSS ({:.1} RSS) idle, {:.1} ({:.1}) after the run",
        mib(idle.pss),
        mib(idle.rss),
        mib(after.pss),
        mib(after.rss),
    )
}
