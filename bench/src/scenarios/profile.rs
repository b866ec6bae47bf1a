//! `GET /api/v1/users/me`: a token, a row, an answer.

use ud_kernel::Service;

use crate::{
    limits::pgbench,
    pace::Pace,
    report::{Pairs, Row, Target},
    world::World,
    wrk,
};

/// The query of the service, as it sends it.
const SELECT: &str = "SELECT id, status, email, email_canonical, email_verified, username, given_name, family_name, \
    phone, locale, timezone, version, created_at, updated_at FROM users WHERE (users.id = :id) LIMIT :one;\n";
/// Half of the service's pool.
const CONNECTIONS: usize = 5;

/// Reads of the own profile, against the same `SELECT` prepared.
pub async fn read(world: &World, pace: Pace) -> Row {
    let (person, login) = world.log_in().await;
    let url = format!(
        "http://127.0.0.1:{}/api/v1/users/me",
        world.port(Service::Profile)
    );
    let database = world.platform.database(Service::Profile);
    let variables = [("id", person.id.as_str()), ("one", "1")];
    let mut pairs = Pairs::default();
    for _ in 0..pace.rounds {
        let limit = pgbench::select(database, SELECT, &variables, CONNECTIONS, pace.span);
        pairs.limit.push(limit.await);
        let own = wrk::get(&url, &login.access, pace.warm, pace.span);
        pairs.own.push(own.await);
    }
    pairs.row(
        "profile read",
        "/s",
        "prepared SELECT by pgbench",
        Target::Ratio(0.5),
    )
}
