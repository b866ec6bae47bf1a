//! `GET /api/v1/auth/validate`: what every request of every other service may cost.

use std::path::Path;

use end_to_end::{Gateway, Limits};
use testkit::free_port;
use ud_kernel::Service;

use crate::{
    limits::{Bare, Canned},
    pace::Pace,
    report::{Pairs, Row, Target},
    stats::Figure,
    wire::{Reply, Wire, get_request},
    world::World,
    wrk,
};

/// The operation.
pub const PATH: &str = "/api/v1/auth/validate";

/// A good token, and the answer to it.
pub async fn model(world: &World) -> (String, Canned) {
    let (_, login) = world.log_in().await;
    let reply = ask(world.port(Service::Auth), &login.access).await;
    let canned = reply.must(200).map(|reply| Canned::of(&reply));
    (login.access, canned.expect("a good token"))
}

async fn ask(port: u16, token: &str) -> Reply {
    let mut wire = Wire::open(port).await.expect("it listens");
    let reply = wire.send(&get_request(PATH, token)).await;
    reply.expect("an answer")
}

/// `figure`, wrong if the one that gave it says something else than `canned` to the same token.
async fn checked(figure: Figure, port: u16, token: &str, canned: &Canned) -> Figure {
    let reply = ask(port, token).await;
    if reply.status == 200 && reply.body == canned.body.as_bytes() {
        return figure;
    }
    Figure {
        wrong: figure.wrong + 1,
        first_wrong: Some(format!("another answer: {}", reply.status)),
        ..figure
    }
}

/// Straight at the service: against the bare handler, and the naive one against the same.
pub async fn direct(world: &World, pace: Pace) -> Vec<Row> {
    let (token, canned) = model(world).await;
    let jwks = world.platform.directory.of(Service::Auth).internal + "/.well-known/jwks.json";
    let bare = Bare::answering(&canned).await;
    let naive = Bare::decoding(&canned, &jwks).await;
    let (mut own, mut decoded) = (Pairs::default(), Pairs::default());
    for _ in 0..pace.rounds {
        let limit = load(bare.port, &token, &canned, pace).await;
        own.limit.push(limit.clone());
        decoded.limit.push(limit);
        let port = world.port(Service::Auth);
        own.own.push(load(port, &token, &canned, pace).await);
        decoded
            .own
            .push(load(naive.port, &token, &canned, pace).await);
    }
    vec![
        own.row("validate", "/s", "bare handler", Target::Ratio(0.85)),
        decoded.row(
            "for comparison: bare handler that decodes each token",
            "/s",
            "bare handler",
            Target::None,
        ),
    ]
}

/// Through the gateway, against the same gateway in front of the bare handler.
pub async fn through_nginx(world: &World, pace: Pace) -> Row {
    let (token, canned) = model(world).await;
    let bare = Bare::answering(&canned).await;
    let before_service = gateway(&bare.folder().join("a"), world.port(Service::Auth)).await;
    let before_bare = gateway(&bare.folder().join("b"), bare.port).await;
    let mut pairs = Pairs::default();
    for _ in 0..pace.rounds {
        let limit = load(before_bare.1, &token, &canned, pace).await;
        pairs.limit.push(limit);
        let own = load(before_service.1, &token, &canned, pace).await;
        pairs.own.push(own);
    }
    let name = "validate through NGINX";
    pairs.row(name, "/s", "NGINX and bare handler", Target::None)
}

async fn load(port: u16, token: &str, canned: &Canned, pace: Pace) -> Figure {
    let url = format!("http://127.0.0.1:{port}{PATH}");
    let figure = wrk::get(&url, token, pace.warm, pace.span).await;
    checked(figure, port, token, canned).await
}

/// A gateway of the platform's kind with `port` as every service, and where it listens.
async fn gateway(folder: &Path, port: u16) -> (Gateway, u16) {
    let own = free_port();
    let upstreams = Service::ALL.map(|service| (service.as_str(), port));
    let gateway = Gateway::start(folder, own, &upstreams, &Limits::Roomy);
    gateway.until_ready().await;
    (gateway, own)
}
