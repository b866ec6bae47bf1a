use std::sync::{atomic::AtomicU32, mpsc};

use ud_kernel::Source;

use super::*;

/// A turn, which is there at once, for a network of its own.
async fn turn(pool: &HashPool) -> Turn {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let network = LAST.fetch_add(1, Ordering::Relaxed);
    let entrant = Entrant {
        source: Source::of(format!("2001:db8:{network:x}::1").parse().unwrap()),
        has_evidence: false,
    };
    pool.enter(entrant).await.unwrap()
}

fn pool(threads: usize, queue: usize, max_wait: Duration) -> HashPool {
    HashPool::start(HashPoolSize {
        threads,
        memory: 100,
        queue,
        max_wait,
    })
    .unwrap()
}

/// Gives `work` to a thread, however long that takes, and returns once it is there.
async fn hand_over(pool: &HashPool, work: impl FnOnce() + Send + 'static) {
    let (begun, has_begun) = oneshot::channel();
    let work = Box::new(move || {
        let _ = begun.send(());
        work();
    });
    let job = Job {
        taken: Arc::default(),
        memory: 0,
        work,
    };
    pool.push(job);
    has_begun.await.unwrap();
}

/// Occupies one thread until the sender is dropped.
async fn occupy(pool: &HashPool) -> mpsc::Sender<()> {
    let (release, gate) = mpsc::channel::<()>();
    hand_over(pool, move || {
        let _ = gate.recv();
    })
    .await;
    release
}

#[tokio::test]
async fn work_is_done_and_answered() {
    let pool = pool(2, 8, Duration::from_secs(60));
    assert_eq!(pool.run(turn(&pool).await, 0, || 6 * 7).await, Ok(42));
}

#[tokio::test]
async fn a_turn_lasts_as_long_as_its_job() {
    let pool = pool(1, 8, Duration::from_secs(60));
    let release = occupy(&pool).await;
    let (first, second) = (turn(&pool).await, turn(&pool).await);
    {
        // Its caller goes away.
        let mut waiting = Box::pin(pool.run(first, 0, || ()));
        assert!(futures_now(&mut waiting).await.is_none());
        assert_eq!(pool.waiting(), 1);
    }
    let mut waiting = Box::pin(pool.run(second, 0, || 1));
    assert!(futures_now(&mut waiting).await.is_none());
    drop(release);
    assert_eq!(waiting.await, Ok(1));
    // Both turns are free again.
    let _turns = [turn(&pool).await, turn(&pool).await];
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_too_long_is_busy_and_the_job_is_never_done() {
    let pool = pool(1, 8, Duration::from_secs(2));
    let release = occupy(&pool).await;
    let done = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&done);
    // Time is paused: it moves to the deadline as soon as nothing else can run.
    let turn = turn(&pool).await;
    let late = pool
        .run(turn, 0, move || mark.store(true, Ordering::SeqCst))
        .await;
    assert_eq!(late, Err(HashPoolError::Busy));
    drop(release);
    // Jobs are taken in order, so once this one is done the other was passed over.
    hand_over(&pool, || ()).await;
    assert!(!done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_panic_costs_its_own_job_only() {
    let pool = pool(1, 8, Duration::from_secs(60));
    let panicked: Result<(), _> = pool
        .run(turn(&pool).await, 0, || panic!("expected by the test"))
        .await;
    assert_eq!(panicked, Err(HashPoolError::Panicked));
    assert_eq!(pool.run(turn(&pool).await, 0, || 1).await, Ok(1));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_run_at_nice_ten() {
    let pool = pool(1, 8, Duration::from_secs(60));
    let stat = pool
        .run(turn(&pool).await, 0, || {
            std::fs::read_to_string("/proc/thread-self/stat").unwrap()
        })
        .await
        .unwrap();
    // Field 19 of proc(5); counting starts after the name in parentheses, which is field 2.
    let after_name = stat.rsplit_once(')').unwrap().1;
    assert_eq!(after_name.split_whitespace().nth(16), Some("10"));
}

/// Polls once.
async fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn memory_is_bounded_and_holds_up_only_those_who_need_it() {
    let pool = pool(4, 8, Duration::from_secs(60));
    let (release, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let mut large = Box::pin(pool.run(turn(&pool).await, 60, move || {
        let _ = begun.send(());
        let _ = gate.recv();
    }));
    assert!(futures_now(&mut large).await.is_none());
    has_begun.await.unwrap();
    let mut second = Box::pin(pool.run(turn(&pool).await, 60, || 2));
    assert!(futures_now(&mut second).await.is_none());
    let mut all = Box::pin(pool.run(turn(&pool).await, 1000, || 3));
    assert!(futures_now(&mut all).await.is_none());
    // They wait for memory, in front of these, who do not.
    assert_eq!(pool.run(turn(&pool).await, 0, || 4).await, Ok(4));
    assert_eq!(pool.run(turn(&pool).await, 40, || 5).await, Ok(5));
    assert_eq!(pool.waiting(), 2);
    drop(release);
    assert_eq!(large.await, Ok(()));
    assert_eq!(second.await, Ok(2));
    assert_eq!(all.await, Ok(3), "more than there is: alone");
}

#[tokio::test]
async fn a_panic_gives_its_memory_back() {
    let pool = pool(2, 8, Duration::from_secs(60));
    for _ in 0..5 {
        let panicked: Result<(), _> = pool
            .run(turn(&pool).await, 100, || panic!("expected by the test"))
            .await;
        assert_eq!(panicked, Err(HashPoolError::Panicked));
    }
    assert_eq!(pool.run(turn(&pool).await, 100, || 1).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn waiting_too_long_for_memory_is_busy() {
    let pool = pool(2, 8, Duration::from_secs(2));
    let (release, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let mut large = Box::pin(pool.run(turn(&pool).await, 100, move || {
        let _ = begun.send(());
        let _ = gate.recv();
    }));
    assert!(futures_now(&mut large).await.is_none());
    has_begun.await.unwrap();
    assert_eq!(
        pool.run(turn(&pool).await, 1, || ()).await,
        Err(HashPoolError::Busy)
    );
    drop(release);
    assert_eq!(large.await, Ok(()));
}
