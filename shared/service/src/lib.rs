#![doc = include_str!("../README.md")]

mod access;
mod caller;
mod context;
mod gate;
mod guard;
mod limiter;
mod security_log;
mod stop;
mod token_room;

pub mod limits;

pub use access::{AccessRule, Fresh, Own, OwnOr, RowScope};
pub use caller::Caller;
pub use context::{Identity, ServiceContext};
pub use gate::{InternalGate, NotAdmitted};
pub use guard::{Admitted, AuthFailure, MAX_LOGIN_AGE, TokenGuard};
pub use limiter::{Limits, RuleLimit};
pub use security_log::{NotedEvent, SecurityEvent, SecurityEvents, SecurityLog, permission_denied};
pub use stop::{StopSignal, Task, stop_in_order};
pub use token_room::{require_names_room, signature_algorithm};
pub use ud_jwt::revocation::Sensitivity;
pub use ud_kernel::callers::{self, Callers};
