//! Who keeps a connection, and who loses one.

use std::{net::IpAddr, sync::Arc};

use ud_telemetry::Metrics;

use super::{Connections, Peers, Place};
use crate::{
    TrustedProxies,
    ticket::{Busy, Close},
};

fn public(room: usize) -> Connections {
    let proxies = TrustedProxies::new(&["198.51.100.0/24".parse().unwrap()]);
    Connections::new("public", room, Peers::Public(proxies), &Metrics::new("t"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// As many connections of `peer` as it can get of `count`.
fn fill(connections: &Connections, peer: &str, count: usize) -> Vec<Place> {
    (0..count)
        .filter_map(|_| connections.admit(ip(peer)))
        .collect()
}

fn told(places: &[Place]) -> usize {
    let told = places.iter().filter(|p| p.ticket().is_told(Close::Idle));
    told.count()
}

fn busy(places: &[Place]) -> Vec<Busy> {
    places.iter().map(|place| place.ticket().begin()).collect()
}

#[test]
fn below_half_nobody_loses_anything() {
    let connections = public(20);
    let places = fill(&connections, "192.0.2.1", 10);
    assert_eq!((places.len(), told(&places)), (10, 0));
    assert_eq!(connections.count(), 10);
    drop(places);
    assert_eq!(connections.count(), 0);
}

#[test]
fn nobody_has_more_than_half() {
    for peer in ["192.0.2.1", "2001:db8::1"] {
        let connections = public(20);
        let places = fill(&connections, peer, 30);
        assert_eq!(places.len(), 10);
    }
    // A /64 is one subscriber, whatever addresses it uses.
    let connections = public(20);
    let places = (0..30).filter_map(|i| connections.admit(ip(&format!("2001:db8::{i:x}"))));
    assert_eq!(places.collect::<Vec<_>>().len(), 10);
}

#[test]
fn from_half_on_the_peer_with_the_most_loses_what_was_idle_longest() {
    let connections = public(20);
    let many = fill(&connections, "192.0.2.1", 7);
    let few = fill(&connections, "192.0.2.2", 3);
    // A request on the oldest: the second is now idle for longer than it.
    std::thread::sleep(std::time::Duration::from_millis(3));
    drop(many[0].ticket().begin());
    let newcomer = connections.admit(ip("192.0.2.3")).unwrap();
    assert_eq!((told(&many), told(&few)), (1, 0));
    assert!(!many[0].ticket().is_told(Close::Idle));
    assert!(!newcomer.ticket().is_told(Close::Idle));
    // Whoever leaves makes room: nobody is told in vain.
    let told_one = many.iter().position(|p| p.ticket().is_told(Close::Idle));
    let mut many = many;
    drop(many.remove(told_one.unwrap()));
    drop(newcomer);
    drop(connections.admit(ip("192.0.2.3")).unwrap());
    assert_eq!(told(&many), 0);
}

#[test]
fn a_connection_at_work_is_not_closed_for_another() {
    let connections = public(20);
    let many = fill(&connections, "192.0.2.1", 6);
    let few = fill(&connections, "192.0.2.2", 4);
    let work = busy(&many);
    // The next of those that have the most, but nobody for the sake of who has more.
    let third = fill(&connections, "192.0.2.3", 2);
    assert_eq!(third.len(), 2);
    assert_eq!((told(&many), told(&few)), (0, 2));
    let before = told(&few);
    let greedy = fill(&connections, "192.0.2.1", 2);
    assert_eq!(greedy.len(), 2, "half of all is not reached");
    assert_eq!(told(&few), before, "for one who has more");
    drop(work);
}

#[test]
fn a_full_listener_refuses_whoever_has_most() {
    let connections = public(16);
    let at_work = |peer| {
        let places = (0..8).map(|_| {
            let place = connections.admit(ip(peer)).unwrap();
            let busy = place.ticket().begin();
            (place, busy)
        });
        places.unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (one, one_at_work) = at_work("192.0.2.1");
    let (two, _two_at_work) = at_work("192.0.2.2");
    assert_eq!((told(&one), told(&two)), (0, 0));
    assert!(connections.admit(ip("192.0.2.1")).is_none());
    assert!(connections.admit(ip("192.0.2.3")).is_none(), "all at work");
    drop(one_at_work);
    // Now somebody's is idle, and the newcomer has fewer.
    assert!(connections.admit(ip("192.0.2.3")).is_some());
    assert!(one.iter().any(|p| p.ticket().is_told(Close::Now)));
}

/// Connections that say nothing are not idle, so they stay when they are told to leave once they are.
#[test]
fn silent_connections_of_any_number_of_sources_make_room() {
    for sources in 2..=16 {
        let connections = public(32);
        let mut silent = Vec::new();
        for i in 0..36 * sources {
            let peer = IpAddr::from([192, 0, 2, u8::try_from(i % sources).unwrap()]);
            silent.extend(connections.admit(peer));
            // Who is told to leave now is gone at once.
            silent.retain(|place: &Place| !place.ticket().is_told(Close::Now));
        }
        assert!(silent.len() >= 31, "{sources}: {}", silent.len());
        let newcomer = connections.admit(ip("203.0.113.1"));
        assert!(newcomer.is_some(), "{sources}");
    }
}

/// Of sources with equally many connections the one that came first loses one, not the one with the highest address.
#[test]
fn of_equals_the_first_to_come_loses() {
    let connections = public(20);
    let early: Vec<_> = (1..=10)
        .map(|i| connections.admit(IpAddr::from([192, 0, 2, i])).unwrap())
        .collect();
    let next = connections.admit(ip("203.0.113.1")).unwrap();
    let last = connections.admit(ip("203.0.113.2")).unwrap();
    assert!(!next.ticket().is_told(Close::Idle));
    assert!(!last.ticket().is_told(Close::Idle));
    assert_eq!((told(&early), told(&early[..2])), (2, 2));
}

/// A request whose body does not come is no work that anybody would lose.
#[test]
fn who_keeps_a_body_back_makes_room_for_others() {
    let connections = public(16);
    let mut held = Vec::new();
    for i in 0..16 {
        let place = connections
            .admit(ip(["192.0.2.1", "192.0.2.2"][i % 2]))
            .unwrap();
        let busy = place.ticket().begin();
        let receiving = place.ticket().receive();
        held.push((place, busy, receiving));
    }
    assert!(connections.admit(ip("192.0.2.3")).is_some());
    let now = held.iter().filter(|(p, ..)| p.ticket().is_told(Close::Now));
    assert_eq!(now.count(), 1);
}

#[test]
fn trusted_proxies_have_the_total_only() {
    let connections = public(20);
    let proxy = fill(&connections, "198.51.100.7", 30);
    assert_eq!((proxy.len(), told(&proxy)), (20, 0));
    let connections = public(20);
    let stranger = fill(&connections, "192.0.2.1", 10);
    let proxy = fill(&connections, "198.51.100.7", 10);
    assert_eq!((proxy.len(), told(&proxy)), (10, 0));
    assert_eq!(told(&stranger), 10, "idle ones make room");
}

#[test]
fn services_have_the_total_only() {
    let connections = Connections::new("internal", 8, Peers::Internal, &Metrics::new("t"));
    let places = fill(&connections, "127.0.0.1", 12);
    assert_eq!((places.len(), told(&places)), (8, 0));
}

#[test]
fn those_that_were_told_and_stay_are_bounded_too() {
    let connections = public(80);
    let mut held = Vec::new();
    // Nobody leaves, whatever they are told.
    for i in 0..1_000_u32 {
        let peer = IpAddr::from(std::net::Ipv4Addr::from(0xc633_0000 + i * 256));
        held.extend(connections.admit(peer));
    }
    assert!((80..=90).contains(&held.len()), "{}", held.len());
}

#[tokio::test]
async fn the_end_is_told_to_all_and_waited_for() {
    let connections = public(20);
    let stranger = fill(&connections, "192.0.2.1", 3);
    let proxy = fill(&connections, "198.51.100.7", 3);
    connections.close_idle();
    assert_eq!((told(&stranger), told(&proxy)), (3, 3));
    let ticket = Arc::clone(stranger[0].ticket());
    assert!(!ticket.is_told(Close::Now), "a head that has begun may end");
    let waiting = tokio::spawn({
        let connections = connections.clone();
        async move { connections.all_closed().await }
    });
    drop((stranger, proxy));
    waiting.await.unwrap();
    // After that the counts are right: room for all is there.
    assert_eq!(fill(&connections, "192.0.2.1", 10).len(), 10);
}
