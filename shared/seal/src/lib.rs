#![doc = include_str!("../README.md")]

mod ring_file;
mod sealer;

pub use ring_file::ring_or_file;
pub use sealer::{Place, SealError, Sealer};
