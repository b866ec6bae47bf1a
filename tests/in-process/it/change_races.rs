//! Logins and refreshes that race with a change of password, status or roles (SECURITY rule 18), with the services'
//! clocks five minutes apart.

use end_to_end::rounds;
use futures_util::future::{join, join_all, join3};
use rstest::rstest;
use tokio::sync::oneshot;

use crate::{
    changes::{Administrator, Change, Target},
    ground::Store::{self, Redis, Sqlite},
    seen::Seen,
    world::{Skews, World},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Login,
    Refresh,
}

impl Flow {
    /// The points between its steps.
    const fn points(self) -> &'static [&'static str] {
        match self {
            Self::Login => &[
                "password.counted",
                "login.checked",
                "login.access-read",
                "login.session-opened",
            ],
            Self::Refresh => &[
                "refresh.credential-read",
                "refresh.access-read",
                "refresh.rotated",
            ],
        }
    }

    /// At instance 0 of auth.
    async fn run(self, world: &World, target: &Target) -> Seen {
        match self {
            Self::Login => world.try_log_in(0, &target.email).await,
            Self::Refresh => world.refresh(0, &target.other.refresh).await,
        }
    }
}

const MINUTES: i64 = 300_000;

/// Nobody is more than five minutes from anybody else. The first is for every day. Whoever is five minutes ahead of the
/// store finds no login recent: the first auth, by whose clock role verifies here, is a little less so.
const SKEWS: [Skews; 3] = [
    skews([0, MINUTES], [MINUTES, 0], 0),
    skews([MINUTES - 3_000, 0], [0, MINUTES], MINUTES),
    skews([0, 0], [0, 0], 0),
];

const fn skews(auths: [i64; 2], sessions: [i64; 2], role: i64) -> Skews {
    Skews {
        auths,
        sessions,
        role,
        in_calls: false,
    }
}

/// How the two are interleaved.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// The whole change while the flow stands at a point.
    ChangeInside(&'static str),
    /// The whole flow while the change stands at a point.
    FlowInside(&'static str),
    /// The flow stands at a point while the change begins; it ends while the change stands at a point.
    Crossed(&'static str, &'static str),
}

impl Order {
    /// Whether the session is made or rotated when the change has been answered.
    fn commits_after_the_change(self) -> bool {
        match self {
            Self::ChangeInside(point) => {
                !matches!(point, "login.session-opened" | "refresh.rotated")
            }
            Self::FlowInside(_) | Self::Crossed(..) => false,
        }
    }
}

fn orders(flow: Flow, change: Change) -> Vec<Order> {
    let (points, stops) = (flow.points(), change.points());
    let mut all: Vec<Order> = points.iter().map(|p| Order::ChangeInside(p)).collect();
    all.extend(stops.iter().map(|stop| Order::FlowInside(stop)));
    for point in points {
        all.extend(stops.iter().map(|stop| Order::Crossed(point, stop)));
    }
    all
}

/// What the flow was answered.
async fn interleave(
    world: &World,
    chief: &Administrator,
    target: &Target,
    flow: Flow,
    order: Order,
) -> Seen {
    let flow_gates = &world.auths[0].own.gates;
    let change_gates = match target.change {
        Change::Role => &world.real_role.as_ref().unwrap().own.gates,
        _ => &world.auths[1].own.gates,
    };
    match order {
        Order::ChangeInside(point) => {
            let mut gate = flow_gates.hold_at(point);
            let change = async {
                let held = gate.arrived().await;
                target.make(world, chief).await;
                drop(gate);
                held.release();
            };
            join(flow.run(world, target), change).await.0
        }
        Order::FlowInside(stop) => {
            let mut gate = change_gates.hold_at(stop);
            let inside = async {
                let held = gate.arrived().await;
                drop(gate);
                let answer = flow.run(world, target).await;
                held.release();
                answer
            };
            join(inside, target.make(world, chief)).await.0
        }
        Order::Crossed(point, stop) => {
            let (mut gate, mut barrier) = (flow_gates.hold_at(point), change_gates.hold_at(stop));
            let (begin, begun) = oneshot::channel();
            let (end, ended) = oneshot::channel();
            let flow = async {
                let answer = flow.run(world, target).await;
                end.send(()).unwrap();
                answer
            };
            let change = async {
                begun.await.unwrap();
                target.make(world, chief).await;
            };
            let conductor = async {
                let flow_stands = gate.arrived().await;
                drop(gate);
                begin.send(()).unwrap();
                let change_stands = barrier.arrived().await;
                drop(barrier);
                flow_stands.release();
                ended.await.unwrap();
                change_stands.release();
            };
            join3(flow, change, conductor).await.0
        }
    }
}

async fn paused_between_any_two_steps(store: Store, change: Change) {
    for skews in &SKEWS[..rounds(1, 3)] {
        let world = World::start_with_role(store, *skews).await;
        let chief = Administrator::of(&world).await;
        let mut number = 0;
        for flow in [Flow::Login, Flow::Refresh] {
            for order in orders(flow, change) {
                number += 1;
                let target = Target::new(&world, &chief, change, number).await;
                let answer = interleave(&world, &chief, &target, flow, order).await;
                let what = format!("{flow:?}, {change:?}, {order:?}, {skews:?}");
                if order.commits_after_the_change() && answer.status == 200 {
                    target.is_fresh(&world, &what, &answer.tokens()).await;
                }
                target.check(&world, &what, &[answer]).await;
            }
        }
    }
}

#[rstest]
#[actix_web::test]
async fn paused_between_any_two_steps_nothing_old_survives(
    #[values(Redis, Sqlite)] store: Store,
    #[values(Change::Password, Change::Suspension, Change::Deletion, Change::Role)] change: Change,
) {
    paused_between_any_two_steps(store, change).await;
}

/// 32 logins and 32 refreshes at once, and the change somewhere among them.
#[rstest]
#[actix_web::test]
async fn of_sixty_four_at_once_nothing_old_survives(
    #[values(Redis, Sqlite)] store: Store,
    #[values(Change::Password, Change::Suspension, Change::Deletion, Change::Role)] change: Change,
) {
    for (round, skews) in (0..rounds(1, 9)).zip(SKEWS.iter().cycle()) {
        let world = World::start_with_role(store, *skews).await;
        let chief = Administrator::of(&world).await;
        for number in 0..rounds(2, 4) {
            let target = Target::new(&world, &chief, change, number).await;
            let flow = |i| {
                if i % 2 == 0 {
                    Flow::Login
                } else {
                    Flow::Refresh
                }
            };
            let mut before: Vec<_> = (0..64).map(|i| flow(i).run(&world, &target)).collect();
            // Each time begins the change at another place.
            let after = before.split_off((4 * round + 24 * number + 8) % 64);
            let change = target.make(&world, &chief);
            let late = join(change, join_all(after));
            let (first, ((), second)) = join(join_all(before), late).await;
            let answers = [first, second].concat();
            assert!(answers.iter().all(|answer| answer.status != 500));
            let what = format!("round {round}.{number}, {skews:?}");
            target.check(&world, &what, &answers).await;
        }
    }
}
