//! Ports that stay one's own while a service is down.

use std::{
    fs::{self, File},
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// Ports in one block.
const BLOCK: u16 = 16;
/// First port of the first block. All blocks lie below the range from which systems take ports for outgoing
/// connections, so that no connection takes the port of a service that restarts.
const FIRST: u16 = 10_000;
/// Number of blocks.
const BLOCKS: u16 = 1_300;

/// A block of 16 ports of 127.0.0.1 that no other test on this machine uses while this lives.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    // The lock ends with the file, also when the process is killed.
    _lock: File,
}

impl Ports {
    /// A free block.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn reserve() -> Self {
        let folder = std::env::temp_dir().join("ud-end-to-end-ports");
        fs::create_dir_all(&folder).expect("a folder for the locks");
        let start = RandomState::new().hash_one(std::process::id());
        for offset in 0..BLOCKS {
            let block = u16::try_from((start.wrapping_add(offset.into())) % u64::from(BLOCKS));
            let first = FIRST + block.expect("below BLOCKS") * BLOCK;
            let lock = File::create(folder.join(first.to_string())).expect("a lock file");
            if lock.try_lock().is_ok() && (first..first + BLOCK).all(is_free) {
                return Self { first, _lock: lock };
            }
        }
        panic!("no block of {BLOCK} free ports");
    }

    /// Port `index`, 0 to 15.
    ///
    /// # Panics
    /// If the block has none of that index.
    #[must_use]
    pub fn get(&self, index: u16) -> u16 {
        assert!(index < BLOCK, "a block has {BLOCK} ports");
        self.first + index
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
