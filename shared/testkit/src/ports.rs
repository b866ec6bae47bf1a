//! Free TCP ports.

use std::net::{Ipv4Addr, TcpListener};

/// A port of 127.0.0.1 that was free a moment ago. Prefer port 0 where a program takes it: between this
/// call and its use another may get the port.
#[must_use]
pub fn free_port() -> u16 {
    free_ports(1)[0]
}

/// `count` different ports.
#[must_use]
pub fn free_ports(count: usize) -> Vec<u16> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let held: Vec<TcpListener> = (0..count).map(bind).collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
    held.iter().map(port).collect()
}
