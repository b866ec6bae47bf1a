#![doc = include_str!("../README.md")]

pub mod breaks;
pub mod filter;
pub mod generated;
mod repository;
mod shape;
mod source;
mod texts;
mod workflow;

pub use generated::Listed;
pub use repository::{Service, repository, services};
pub use source::{copied_by, folders_of, read_at_compile_time, read_at_compile_time_below};
pub use workflow::{Job, Step, Workflow, workflow, workflows};
