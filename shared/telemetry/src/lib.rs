#![doc = include_str!("../README.md")]

mod context;
mod line;
mod logger;
mod metrics;
mod pairs;
mod sink;

pub use context::{
    Cost, RequestContext, count, current, deadline, scope, sync_scope, without_deadline,
};
pub use logger::init;
pub use metrics::Metrics;
pub use sink::flush;
pub use ud_config::{LogConfig, LogFormat};
