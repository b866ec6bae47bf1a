use std::{future::Future, pin::Pin, task::Poll};

use super::*;

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Turn, Full>> + 'a>>;

fn queue(turns: usize, places: usize) -> FairQueue {
    FairQueue::new(turns, places, Duration::from_secs(60))
}

fn v6(network: usize, host: usize) -> Source {
    Source::of(format!("2001:db8:{network:x}:{host:x}::1").parse().unwrap())
}

fn stranger(source: Source) -> Entrant {
    Entrant {
        source,
        has_evidence: false,
    }
}

fn owner(source: Source) -> Entrant {
    Entrant {
        source,
        has_evidence: true,
    }
}

/// Polls once.
async fn now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Returns the future of `entrant` if it waits.
async fn wait(queue: &FairQueue, entrant: Entrant) -> Option<Entering<'_>> {
    let mut entering: Entering<'_> = Box::pin(queue.enter(entrant));
    match now(&mut entering).await {
        None => Some(entering),
        Some(Err(Full)) => None,
        Some(Ok(_)) => panic!("a turn at once"),
    }
}

#[tokio::test]
async fn one_wide_network_never_fills_the_queue() {
    for networks in [90, 990] {
        let queue = queue(4, 16);
        let mut turns = Vec::new();
        let mut waiting = Vec::new();
        for host in 0..networks {
            let mut entering: Entering<'_> = Box::pin(queue.enter(stranger(v6(1, host))));
            match now(&mut entering).await {
                None => waiting.push(entering),
                Some(turn) => turns.extend(turn.ok()),
            }
        }
        assert_eq!(
            (turns.len(), waiting.len()),
            (4, 2),
            "half of what is not kept"
        );
        let elsewhere = wait(&queue, stranger(v6(2, 1))).await;
        let owner = wait(&queue, owner(v6(1, 5000))).await;
        let (mut elsewhere, mut owner) = (elsewhere.unwrap(), owner.unwrap());
        // The first turns that come free are theirs, and one of those who came before.
        drop(turns.pop());
        let first = now(&mut owner).await;
        assert!(first.is_some_and(|turn| turn.is_ok()), "evidence first");
        drop(turns.pop());
        assert!(now(&mut elsewhere).await.is_some_and(|turn| turn.is_ok()));
    }
}

#[tokio::test]
async fn a_quarter_is_kept_for_evidence_and_shared_there_too() {
    let queue = queue(1, 16);
    let _turn = queue.enter(stranger(v6(0, 0))).await.unwrap();
    let mut strangers = Vec::new();
    for network in 1..100 {
        strangers.extend(wait(&queue, stranger(v6(network, 0))).await);
    }
    assert_eq!(strangers.len(), 12);
    // One owner's neighbours with evidence take what is kept, and share it with the next ones.
    let mut owners = Vec::new();
    for _ in 0..10 {
        owners.extend(wait(&queue, owner(v6(200, 0))).await);
    }
    assert_eq!(owners.len(), 4);
    let second = wait(&queue, owner(v6(201, 0))).await;
    let third = wait(&queue, owner(v6(202, 0))).await;
    assert!(second.is_some() && third.is_some());
    assert_eq!(queue.waiting(), 16);
    let mut pushed_out = 0;
    for entering in &mut owners {
        pushed_out += usize::from(now(entering).await.is_some());
    }
    assert_eq!(pushed_out, 2);
}

#[tokio::test]
async fn owners_leave_a_quarter_for_strangers() {
    let queue = queue(1, 16);
    let _turn = queue.enter(stranger(v6(0, 0))).await.unwrap();
    let mut owners = Vec::new();
    for _ in 0..20 {
        owners.extend(wait(&queue, owner(v6(200, 0))).await);
    }
    assert_eq!(owners.len(), 8, "half of all");
    for network in 201..300 {
        owners.extend(wait(&queue, owner(v6(network, 0))).await);
    }
    let mut strangers = Vec::new();
    for network in 300..400 {
        strangers.extend(wait(&queue, stranger(v6(network, 0))).await);
    }
    assert_eq!(strangers.len(), 4);
    assert_eq!(queue.waiting(), 16);
}

#[tokio::test]
async fn one_source_has_a_quarter_of_the_queue_in_flight() {
    let queue = queue(2, 16);
    let source = Source::of("192.0.2.1".parse().unwrap());
    let _turns = [
        queue.enter(stranger(source)).await.unwrap(),
        queue.enter(stranger(source)).await.unwrap(),
    ];
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.extend(wait(&queue, stranger(source)).await);
    }
    assert_eq!(waiting.len(), 2);
    // With evidence there is a share of its own.
    assert!(wait(&queue, owner(source)).await.is_some());
}

#[tokio::test]
async fn a_network_that_holds_less_takes_a_place_of_the_one_that_holds_most() {
    let queue = queue(1, 16);
    let _turn = queue.enter(stranger(v6(0, 0))).await.unwrap();
    let mut first = Vec::new();
    for network in 1..=2 {
        for host in 0..6 {
            first.push(
                wait(&queue, stranger(v6(network, host * 256)))
                    .await
                    .unwrap(),
            );
        }
    }
    assert_eq!(queue.waiting(), 12);
    let mut third = Vec::new();
    for host in 0..6 {
        third.extend(wait(&queue, stranger(v6(3, host * 256))).await);
    }
    assert_eq!(third.len(), 4, "each of three networks has four");
    assert_eq!(queue.waiting(), 12);
    let mut pushed_out = Vec::new();
    for (index, entering) in first.iter_mut().enumerate() {
        if let Some(outcome) = now(entering).await {
            assert_eq!(outcome.err(), Some(Full));
            pushed_out.push(index);
        }
    }
    assert_eq!(pushed_out, [4, 5, 10, 11], "the newest");
}

#[tokio::test]
async fn turns_go_round_the_networks() {
    let queue = queue(1, 16);
    let mut turn = Some(queue.enter(stranger(v6(0, 0))).await.unwrap());
    let mut waiting = Vec::new();
    for host in 0..4 {
        waiting.push((1, wait(&queue, stranger(v6(1, host * 256))).await.unwrap()));
    }
    for network in 2..5 {
        waiting.push((
            network,
            wait(&queue, stranger(v6(network, 0))).await.unwrap(),
        ));
    }
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(turn.take());
        let mut served = None;
        for (index, (_, entering)) in waiting.iter_mut().enumerate() {
            if let Some(outcome) = now(entering).await {
                served = Some((index, outcome.unwrap()));
            }
        }
        let (index, got) = served.unwrap();
        order.push(waiting.remove(index).0);
        turn = Some(got);
    }
    assert_eq!(order, [1, 2, 3, 4, 1, 1, 1]);
}

#[tokio::test]
async fn a_network_is_not_behind_for_those_of_it_who_left() {
    let queue = queue(1, 16);
    let turn = queue.enter(stranger(v6(0, 0))).await.unwrap();
    for _ in 0..100 {
        assert!(wait(&queue, stranger(v6(1, 0))).await.is_some());
    }
    let mut patient = wait(&queue, stranger(v6(1, 0))).await.unwrap();
    let _others = [
        wait(&queue, stranger(v6(2, 0))).await.unwrap(),
        wait(&queue, stranger(v6(2, 0))).await.unwrap(),
    ];
    drop(turn);
    assert!(now(&mut patient).await.is_some());
}

#[tokio::test]
async fn a_place_that_is_left_is_free_and_a_turn_nobody_takes_goes_on() {
    let queue = queue(1, 4);
    let turn = queue.enter(stranger(v6(0, 0))).await.unwrap();
    for _ in 0..100 {
        let waiting = wait(&queue, stranger(v6(1, 0))).await;
        assert!(waiting.is_some());
    }
    assert_eq!(queue.waiting(), 0);
    let left = wait(&queue, stranger(v6(1, 0))).await.unwrap();
    let mut stays = wait(&queue, stranger(v6(2, 0))).await.unwrap();
    drop(turn);
    // The turn is on its way to the first, who leaves.
    drop(left);
    drop(now(&mut stays).await.unwrap().unwrap());
    let state = queue.lock();
    assert_eq!(state.free, 1);
    assert_eq!(state.ordinary.shares.held(v6(1, 0).wide()), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_so() {
    let queue = FairQueue::new(1, 4, Duration::from_secs(2));
    let turn = queue.enter(stranger(v6(0, 0))).await.unwrap();
    assert_eq!(queue.enter(stranger(v6(1, 0))).await.err(), Some(Full));
    assert_eq!(queue.waiting(), 0);
    drop(turn);
    assert!(queue.enter(stranger(v6(1, 0))).await.is_ok());
}

#[tokio::test]
async fn without_places_nobody_enters() {
    assert_eq!(
        queue(2, 0).enter(stranger(v6(0, 0))).await.err(),
        Some(Full)
    );
}
