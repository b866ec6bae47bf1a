//! The rows of the table, a file for each kind.

use clap::ValueEnum;

use crate::{pace::Pace, report::Row, world::World};

pub mod audit;
pub mod growth;
pub mod login;
pub mod memory;
pub mod profile;
pub mod refresh;
pub mod revocation;
pub mod start;
pub mod validate;

/// Kinds of rows, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Validation of tokens
    Validate,
    /// The same through NGINX
    Gateway,
    /// Logins
    Login,
    /// Validation while logins saturate
    Crowd,
    /// Refreshes
    Refresh,
    /// Reads of one's own profile
    Profile,
    /// Ingestion of events by audit
    Audit,
    /// Registrations
    Registration,
    /// How fast a closed session is refused
    Revocation,
    /// Cost with many users
    Growth,
    /// Resident memory, idle and after the rows above
    Memory,
    /// From exec to ready
    Start,
}

/// Measures what is `wanted`, telling `begun` what is next; the rows.
pub async fn run(wanted: &[Scenario], pace: Pace, begun: impl Fn(&str)) -> Vec<Row> {
    let wants = |scenario| wanted.contains(&scenario);
    let mut rows = Vec::new();
    begun("the services");
    let mut world = World::start(None).await;
    let idle = memory::Idle::measure(&world).await;
    world.settle().await;
    if wants(Scenario::Validate) {
        begun("validate");
        rows.extend(validate::direct(&world, pace).await);
    }
    if wants(Scenario::Gateway) {
        begun("validate through NGINX");
        rows.push(validate::through_nginx(&world, pace).await);
    }
    if wants(Scenario::Login) {
        begun("login");
        rows.push(login::log_in(&world, pace).await);
    }
    if wants(Scenario::Crowd) {
        begun("validate while logins saturate");
        rows.extend(login::validate_meanwhile(&world, pace).await);
    }
    if wants(Scenario::Refresh) {
        begun("refresh");
        rows.extend(refresh::refresh(&world, pace).await);
    }
    if wants(Scenario::Profile) {
        begun("profile read");
        rows.push(profile::read(&world, pace).await);
    }
    if wants(Scenario::Audit) {
        begun("audit ingestion");
        rows.extend(audit::ingest(&world, pace).await);
    }
    if wants(Scenario::Registration) {
        begun("registration");
        rows.push(login::register(&world, pace).await);
    }
    if wants(Scenario::Revocation) {
        begun("revocation");
        rows.push(revocation::close(pace).await);
    }
    if wants(Scenario::Growth) {
        begun("growth");
        rows.extend(growth::compare(pace).await);
    }
    if wants(Scenario::Memory) {
        begun("memory");
        rows.extend(idle.compare(&world).await);
        rows.push(memory::standalone(pace).await);
    }
    if wants(Scenario::Start) {
        begun("start");
        rows.extend(start::services(&mut world.platform, pace).await);
        rows.extend(start::standalone(pace).await);
    }
    rows
}
