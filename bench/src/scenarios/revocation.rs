//! How long a token is still taken after its session was closed.

use std::time::{Duration, Instant};

use end_to_end::{Login, OWN};
use ud_kernel::Service;

use crate::{
    pace::Pace,
    report::{Row, Target, time},
    stats::quantile,
    wire::{Wire, get_request, request},
    world::World,
};

/// What 99 of 100 delays are to stay below.
const BOUND: Duration = Duration::from_millis(50);
/// When it is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(1);

/// Closes sessions, one after the other: the time from the request until the first refusal of each service.
pub async fn close(pace: Pace) -> Row {
    // The cheapest hash: there is a login for each session, and nothing of it is measured.
    let mut world = World::start(Some("4")).await;
    world.settle().await;
    let mut delays = Vec::new();
    let mut complaint = None;
    for _ in 0..pace.revocations {
        let (_, login) = world.log_in().await;
        match close_one(&world, &login).await {
            Ok(own) => delays.extend(own),
            Err(why) => complaint = Some(why),
        }
    }
    delays.sort_unstable();
    let (p50, p99) = (quantile(&delays, 0.50), quantile(&delays, 0.99));
    let longest = time(delays.last().copied().unwrap_or_default());
    let measured = format!("{} closed, longest {longest}", pace.revocations);
    Row::told(
        "revocation, from request to refusal, at each of the services",
        measured,
    )
    .times(p50, p99)
    .complaint(complaint)
    .judged(Target::P99(BOUND), f64::NAN, p99)
}

async fn close_one(world: &World, login: &Login) -> Result<Vec<Duration>, String> {
    let mut watched = Vec::new();
    for (service, path) in OWN {
        let port = world.port(service);
        let mut wire = Wire::open(port).await.map_err(|e| e.to_string())?;
        let request = get_request(path, &login.access);
        // The service knows the token and takes it.
        wire.send(&request).await?.must(200)?;
        watched.push((wire, request));
    }
    let mut wire = Wire::open(world.port(Service::Session))
        .await
        .map_err(|e| e.to_string())?;
    let bearer = format!("Bearer {}", login.access);
    let path = format!("/api/v1/sessions/{}", login.session);
    let close = request("DELETE", &path, &[("Authorization", &bearer)], b"");
    let since = Instant::now();
    let watching: Vec<_> = watched
        .into_iter()
        .map(|(wire, request)| tokio::spawn(refused_after(wire, request, since)))
        .collect();
    wire.send(&close).await?.must(204)?;
    let mut delays = Vec::new();
    for one in watching {
        delays.push(one.await.map_err(|e| e.to_string())??);
    }
    Ok(delays)
}

async fn refused_after(
    mut wire: Wire,
    request: Vec<u8>,
    since: Instant,
) -> Result<Duration, String> {
    loop {
        let reply = wire.send(&request).await?;
        if reply.status == 401 {
            return Ok(since.elapsed());
        }
        reply.must(200)?;
        if since.elapsed() > PATIENCE {
            return Err(format!("still taken after {PATIENCE:?}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
