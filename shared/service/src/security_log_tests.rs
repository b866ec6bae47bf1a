use super::*;

const START: Timestamp = Timestamp::from_millis(0);

fn by(event: EventType, ip: &str, actor_id: Option<UserId>) -> SecurityEvent {
    SecurityEvent {
        kind: event,
        origin: Provenance {
            ip: Some(ip.to_owned()),
            actor_id,
            ..Provenance::default()
        },
        target_type: "operation",
        target_id: "GET /".to_owned(),
    }
}

fn event(ip: &str) -> SecurityEvent {
    by(EventType::LOGIN_FAILED, ip, None)
}

fn log(clock: &Clock) -> (SecurityLog, SecurityEvents) {
    SecurityLog::new(clock.clone(), SecurityLog::ROOM, &Metrics::new("auth"))
}

/// What came out of the queues, and is written: a writer is faster than a flood.
fn drain(queue: &mut SecurityEvents) -> Vec<NotedEvent> {
    std::iter::from_fn(|| queue.try_recv()).collect()
}

fn sum(told: &[NotedEvent]) -> u64 {
    told.iter().map(|noted| noted.count).sum()
}

fn user(n: i64) -> UserId {
    UserId::new(Timestamp::from_millis(n))
}

#[test]
fn a_flood_is_told_twenty_times_and_then_counted() {
    let clock = Clock::manual(START);
    let (log, mut queue) = log(&clock);
    for _ in 0..500 {
        log.note(event("192.0.2.1"));
    }
    log.note(event("192.0.2.2"));
    clock.advance(WINDOW);
    log.flush();
    let told = drain(&mut queue);
    assert_eq!((told.len(), sum(&told)), (22, 501));
    assert_eq!(told.last().unwrap().count, 480);
    let ip = told.last().unwrap().event.origin.ip.as_deref();
    assert_eq!(ip, Some("192.0.2.1"), "a sum over one caller names it");
}

/// Finding 7: it was 6,000 records for one /64, and 20 for each of however many of them.
#[test]
fn floods_of_six_thousand_leave_few_records_wherever_they_come_from() {
    type Address = fn(u32) -> String;
    let one_subscriber: Address = |n| format!("2001:db8:1:2:{:x}:{:x}::1", n / 7, n);
    let many_subscribers: Address = |n| format!("2001:db8:{:x}:{n:x}::1", n % 9);
    let one_address: Address = |_| "192.0.2.1".to_owned();
    let many_addresses: Address = |n| format!("198.18.{}.{}", n / 250, n % 250);
    for (address, records) in [
        (one_subscriber, 21),
        (one_address, 21),
        (many_subscribers, 201),
        (many_addresses, 201),
    ] {
        let clock = Clock::manual(START);
        let (log, mut queue) = log(&clock);
        for n in 0..6000 {
            log.note(event(&address(n)));
        }
        log.finish();
        let told = drain(&mut queue);
        assert_eq!((told.len(), sum(&told)), (records, 6000), "{}", address(1));
    }
}

#[test]
fn many_sources_that_come_again_and_again_are_one_sum() {
    let clock = Clock::manual(START);
    let (log, mut queue) = log(&clock);
    for _ in 0..30 {
        for n in 0..1000 {
            log.note(event(&format!("198.18.{}.{}", n / 250, n % 250)));
        }
    }
    log.finish();
    let told = drain(&mut queue);
    assert_eq!((told.len(), sum(&told)), (201, 30_000));
    let others = told.last().unwrap();
    assert_eq!(others.count, 29_800);
    assert_eq!(others.event.origin.ip, None, "a sum over many names none");
    assert_eq!(others.event.target_id, "");
    assert!(log.window().callers.len() <= 200);
}

#[test]
fn strangers_have_two_hundred_of_one_event_and_six_hundred_of_all() {
    let clock = Clock::manual(START);
    let (log, mut queue) = log(&clock);
    let events = [
        EventType::LOGIN_FAILED,
        EventType::RATE_LIMITED,
        EventType::PERMISSION_DENIED,
        EventType::USER_CREATED,
    ];
    for n in 0..2000_u32 {
        for event in events {
            log.note(by(event, &format!("198.18.{}.{}", n / 250, n % 250), None));
        }
    }
    let singly = drain(&mut queue);
    let of = |event: EventType| singly.iter().filter(|n| n.event.kind == event).count();
    assert!(events.iter().all(|event| of(*event) <= 200));
    assert_eq!(singly.len(), 600);
    log.finish();
    let counted = drain(&mut queue);
    assert_eq!(counted.len(), events.len());
    assert_eq!(sum(&singly) + sum(&counted), 8000);
    // A minute later it begins anew, and no earlier.
    clock.advance(WINDOW - Duration::from_millis(1));
    log.note(event("192.0.2.200"));
    assert_eq!(drain(&mut queue).len(), 1, "`finish` began a window");
}

#[test]
fn no_flood_hides_what_has_a_lane_of_its_own() {
    let clock = Clock::manual(START);
    // Nobody writes yet, and there is not much room.
    let (log, mut queue) = SecurityLog::new(clock, 300, &Metrics::new("auth"));
    for n in 0..6000 {
        let ip = format!("2001:db8:1:{n:x}::1");
        log.note(event(&ip));
        log.note(by(EventType::RATE_LIMITED, &ip, None));
        log.note(by(EventType::PERMISSION_DENIED, &ip, Some(user(n))));
        // One lane does not fill another.
        log.note(by(EventType::SERVICE_TOKEN_REFUSED, &ip, None));
    }
    let lockout = SecurityEvent {
        target_type: "identifier",
        ..by(EventType::RATE_LIMITED, "192.0.2.7", None)
    };
    log.note(lockout.clone());
    log.note(by(EventType::REFRESH_TOKEN_REUSED, "192.0.2.7", None));
    log.note(by(EventType::ADMIN_READ, "192.0.2.8", Some(user(7))));
    log.note(by(EventType::ADMIN_READ, "192.0.2.8", Some(user(7))));
    let told = drain(&mut queue);
    let of = |event: EventType| {
        let told = told.iter().filter(|n| n.event.kind == event);
        told.filter(|n| n.count == 1).count()
    };
    assert_eq!(of(EventType::REFRESH_TOKEN_REUSED), 1);
    assert_eq!(of(EventType::ADMIN_READ), 2);
    assert_eq!(of(EventType::SERVICE_TOKEN_REFUSED), 200);
    assert!(told.iter().any(|n| n.event == lockout && n.count == 1));
    log.finish();
    let rest = drain(&mut queue);
    let mut events: Vec<_> = rest.iter().map(|n| n.event.kind).collect();
    events.sort_unstable();
    let flooding = [
        EventType::LOGIN_FAILED,
        EventType::PERMISSION_DENIED,
        EventType::RATE_LIMITED,
    ];
    assert_eq!(events[..3], flooding, "one sum each");
    assert_eq!(events[3..], [EventType::SERVICE_TOKEN_REFUSED]);
}

#[test]
fn each_reader_by_permission_is_named_however_many_they_are() {
    let clock = Clock::manual(START);
    let (log, mut queue) = log(&clock);
    for n in 0..30 {
        let reader = user(n);
        for _ in 0..25 {
            log.note(by(EventType::ADMIN_READ, "192.0.2.1", Some(reader)));
        }
    }
    log.finish();
    let told = drain(&mut queue);
    assert_eq!((told.len(), sum(&told)), (30 * 21, 30 * 25));
    assert!(told.iter().all(|n| n.event.origin.actor_id.is_some()));
}

#[test]
fn what_was_counted_is_told_at_a_stop_with_its_own_time() {
    let clock = Clock::manual(START);
    let (log, mut queue) = log(&clock);
    for _ in 0..30 {
        log.note(event("192.0.2.1"));
        clock.advance(Duration::from_secs(1));
    }
    log.finish();
    log.finish();
    let told: Vec<_> = drain(&mut queue)
        .iter()
        .map(|n| (n.at.as_millis(), n.count))
        .collect();
    assert_eq!(told.len(), 21);
    assert_eq!(told.first(), Some(&(0, 1)));
    assert_eq!(told.last(), Some(&(29_000, 10)));
}

#[test]
fn a_full_queue_drops_and_counts() {
    let clock = Clock::manual(START);
    let metrics = Metrics::new("auth");
    let (log, _queue) = SecurityLog::new(clock, 2, &metrics);
    for i in 0..5 {
        log.note(event(&format!("192.0.2.{i}")));
    }
    let told = metrics.render();
    let line = "security_events_dropped_total{service=\"auth\"} 3\n";
    assert!(told.contains(line), "{told}");
}

#[tokio::test]
async fn whoever_waits_gets_the_lanes_first_and_an_end() {
    let clock = Clock::manual(START);
    let (log, mut queue) = log(&clock);
    log.note(event("192.0.2.1"));
    log.note(by(EventType::REFRESH_TOKEN_REUSED, "192.0.2.1", None));
    let mut told = Vec::new();
    queue.recv_many(&mut told, 1).await;
    assert_eq!(told[0].event.kind, EventType::REFRESH_TOKEN_REUSED);
    queue.recv_many(&mut told, 100).await;
    assert_eq!(told[1].event.kind, EventType::LOGIN_FAILED);
    let noting = async {
        tokio::task::yield_now().await;
        log.note(by(EventType::ADMIN_READ, "192.0.2.1", None));
    };
    tokio::join!(queue.recv_many(&mut told, 100), noting);
    assert_eq!(told[2].event.kind, EventType::ADMIN_READ);
    drop(log);
    queue.recv_many(&mut told, 100).await;
    assert_eq!(told.len(), 3);
}
