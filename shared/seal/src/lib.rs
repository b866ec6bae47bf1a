#![doc = include_str!("../README.md")]

mod misfit;
mod ring_file;
mod sealer;

pub mod secret_file;

pub use misfit::RingFile;
pub use ring_file::{KEY_ENCRYPTION, ring_or_file};
pub use sealer::{AssociatedData, SealError, Sealer};
