//! Ports that stay one's own while a service is down.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// Ports in one block; the last one is held, and so is the block.
const BLOCK: u16 = 64;
/// First port of the first block. All blocks lie below the range from which systems take ports for outgoing
/// connections, so that no connection takes the port of a service that restarts.
const FIRST: u16 = 10_000;
/// Number of blocks.
const BLOCKS: u16 = 325;

/// A block of 63 ports of 127.0.0.1 that no other test on this machine uses while this lives, whoever runs it.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    // Given back by the system also when the process is killed.
    _held: TcpListener,
}

impl Ports {
    /// A free block.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn reserve() -> Self {
        let start = RandomState::new().hash_one(std::process::id());
        for offset in 0..BLOCKS {
            let block = u16::try_from((start.wrapping_add(offset.into())) % u64::from(BLOCKS));
            let first = FIRST + block.expect("below BLOCKS") * BLOCK;
            let last = first + BLOCK - 1;
            if let Ok(held) = listen(last)
                && (first..last).all(|port| listen(port).is_ok())
            {
                return Self { first, _held: held };
            }
        }
        panic!("no block of {BLOCK} free ports");
    }

    /// Port `index`, 0 to 62.
    ///
    /// # Panics
    /// If the block has none of that index.
    #[must_use]
    pub fn get(&self, index: u16) -> u16 {
        assert!(index < BLOCK - 1, "a block has {} ports", BLOCK - 1);
        self.first + index
    }
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}
