//! One service under test, on its sockets: what it finds around it, its server, what it answers, the events it sends and what
//! it logs. At the end it is looked whether an event was left and whether a secret stands in the log.

mod answer;
mod logs;
mod receiver;
mod served;
mod surroundings;

pub use answer::Answer;
pub use receiver::{Receiver, undelivered};
pub use served::{Served, client};
pub use surroundings::{Surroundings, tokens};
