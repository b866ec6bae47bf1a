//! What the process asks of the operating system for itself: descriptors, no core dumps, and its signals.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use ud_kernel::StartError;

/// Descriptors of a service's keys, runtimes and logs, and of stores as they are configured by default, with room for
/// what grows under load.
const OF_A_SERVICE: u64 = 64;
/// The same of all services in one process, which share runtimes.
const OF_ALL: u64 = 192;
/// Descriptors of one database that are in these: a default pool on SQLite, and the lock on the file. More of them cost places.
const OF_A_DATABASE: usize = 21;
/// Fewest that must be left for connections: below it the process would start and then answer nobody.
const FOR_CONNECTIONS: u64 = 64;
/// Most connections of the public listener, however many descriptors there are: each may hold some kilobytes.
const MOST: u64 = 10_000;

/// How many connections each listener may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) public: usize,
    pub(crate) internal: usize,
}

/// Keeps what is in memory (keys, passwords under way) out of core files and away from other processes of the same
/// user. It is the first thing a process does.
pub fn forbid_core_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let outcome = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let outcome = outcome.and(rustix::process::set_dumpable_behavior(
        DumpableBehavior::NotDumpable,
    ));
    if let Err(error) = outcome {
        use std::io::Write as _;
        // No logger is there yet.
        let _ = writeln!(std::io::stderr(), "core dumps are not forbidden: {error}");
    }
}

/// Raises the limit of open descriptors as far as the system allows, and makes sure that the process of `services` services,
/// whose connections to databases hold at most `databases` descriptors, can work with it.
///
/// # Errors
/// A configuration error that names the limit that is needed, if the hard limit is lower.
pub fn raise_descriptor_limit(services: usize, databases: usize) -> Result<(), StartError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        log::warn!(
            "the limit of open files stays at {}: {error}",
            descriptors()
        );
    }
    let needed = own(services, databases) + FOR_CONNECTIONS;
    let have = descriptors();
    if have < needed {
        return Err(StartError::config(format!(
            "the limit of open files is {have}, and at least {needed} are needed: raise the hard limit of \
             RLIMIT_NOFILE (`ulimit -n`, LimitNOFILE= of systemd, --ulimit nofile= of Docker)"
        )));
    }
    Ok(())
}

/// Returns how many connections fit below the limit of open descriptors. A request on the public listener may hold two more
/// for calls to other services.
pub(crate) fn room(services: usize, databases: usize) -> Room {
    room_of(descriptors(), services, databases)
}

fn room_of(limit: u64, services: usize, databases: usize) -> Room {
    let free = limit.saturating_sub(own(services, databases));
    let at_most = |places: u64, most: u64| {
        usize::try_from(places.clamp(FOR_CONNECTIONS / 4, most)).unwrap_or(usize::MAX)
    };
    Room {
        // An eighth more may be open for a moment (`connections::most`).
        public: at_most(free / 9 * 4, MOST),
        internal: at_most(free / 4, MOST / 2),
    }
}

const fn own(services: usize, databases: usize) -> u64 {
    let own = if services > 1 { OF_ALL } else { OF_A_SERVICE };
    own + databases.saturating_sub(services * OF_A_DATABASE) as u64
}

/// The limit in force; without one, what is more than enough.
fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The signals that ask for an end. What arrives from its making on is not lost.
pub struct StopSignals([Signal; 3]);

impl StopSignals {
    /// Takes SIGTERM, SIGINT and SIGQUIT from now on. SIGHUP, SIGUSR1, SIGUSR2 and SIGALRM no longer end the process
    /// either: hooks of log rotation and certificates send them.
    ///
    /// # Errors
    /// If the system does not let the process handle signals.
    pub fn listen() -> Result<Self, StartError> {
        let take = |kind| signal(kind).map_err(StartError::internal);
        for kind in [
            SignalKind::hangup(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
            SignalKind::alarm(),
        ] {
            // Once taken, a signal never has its default action again.
            drop(take(kind)?);
        }
        Ok(Self([
            take(SignalKind::terminate())?,
            take(SignalKind::interrupt())?,
            take(SignalKind::quit())?,
        ]))
    }

    /// Returns once one of them came.
    pub async fn requested(&mut self) {
        let [terminate, interrupt, quit] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_leaves_no_core() {
        forbid_core_dumps();
        let core = getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
        assert_eq!(
            rustix::process::dumpable_behavior().unwrap(),
            DumpableBehavior::NotDumpable
        );
    }

    #[test]
    fn all_that_may_be_open_fits_below_the_limit() {
        let limits = [
            128,
            256,
            264,
            300,
            512,
            1_024,
            1_500,
            4_096,
            20_000,
            1_048_576,
            u64::MAX,
        ];
        for (services, databases) in [(1, 10), (1, 0), (1, 400), (5, 41), (5, 100), (5, 2_000)] {
            for limit in limits {
                if limit < own(services, databases) + FOR_CONNECTIONS {
                    continue;
                }
                let room = room_of(limit, services, databases);
                let open = crate::connections::most(room.public) + room.internal;
                let others = own(services, 0) - u64::try_from(services * OF_A_DATABASE).unwrap();
                let all = u64::try_from(open + databases).unwrap() + others;
                // What requests hold for calls to other services.
                let calls = (limit - own(services, databases)) / 4;
                assert!(all <= limit - calls, "{limit}: {room:?}");
                assert!(room.public >= 16 && room.internal >= 16, "{room:?}");
                assert!(room.public <= 10_000, "{room:?}");
            }
        }
    }
}
