#![doc = include_str!("../README.md")]

pub mod breaks;
mod repository;
mod shape;
mod source;
mod workflow;

pub use repository::{Service, repository, services};
pub use source::{copied_by, folders_of, read_at_compile_time};
pub use workflow::{Job, Step, Workflow, workflow, workflows};
