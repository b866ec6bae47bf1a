//! Key rings for unit tests.

use aws_lc_rs::digest::{SHA256, digest};
use ud_config::KeyRing;

/// A ring with the given ids; the keys differ by id.
pub(crate) fn ring(ids: &[&str]) -> KeyRing {
    let keys = ids.iter().map(|id| {
        let key = digest(&SHA256, id.as_bytes()).as_ref().try_into().unwrap();
        ((*id).to_owned(), key)
    });
    KeyRing::new(keys).unwrap()
}
