//! Who is let in when there is more to do than can be done: fair by the network that asks.

pub mod fair_queue;
pub mod fair_share;
pub mod login_gate;
