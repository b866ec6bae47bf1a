//! What can be wrong with a call of Redis.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Error codes that redis-rs has no name for, of a server that lacks what it needs: memory, a disk, replicas, time, or
/// the password that this service was given.
const PASSING: &[&str] = &[
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "BUSY",
    "IOERR",
    "NOGOODSLAVE",
    "NOAUTH",
    "WRONGPASS",
];

/// A call that failed. Its text has kind and code and nothing of what was sent or said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct RedisFailure {
    why: Why,
    code: String,
    text: String,
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No connection in time.
    Timeout,
    /// The server is away, or lacks something now: it may be there later.
    Unavailable,
    /// The call or its answer is wrong: a defect.
    Internal,
}

impl RedisFailure {
    pub(crate) fn new(why: Why, text: impl Into<String>) -> Self {
        Self {
            why,
            code: String::new(),
            text: text.into(),
        }
    }

    /// Returns its kind.
    #[must_use]
    pub const fn why(&self) -> Why {
        self.why
    }

    /// Returns the code with which the server, or a script, refused; empty if none did.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl From<&RedisError> for RedisFailure {
    /// Only kind and code go on: the server's text may repeat what was sent.
    fn from(error: &RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        let passes = match error.kind() {
            ErrorKind::Io
            | ErrorKind::AuthenticationFailed
            | ErrorKind::ClusterConnectionNotFound => true,
            ErrorKind::Server(kind) => match kind {
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::NoPerm => true,
                // No code of its own.
                ServerErrorKind::ResponseError => error.detail().is_some_and(|detail| {
                    ["max number of clients reached", "out of memory"]
                        .iter()
                        .any(|text| detail.starts_with(text))
                }),
                _ => false,
            },
            _ => PASSING.contains(&code),
        };
        Self {
            why: if passes {
                Why::Unavailable
            } else {
                Why::Internal
            },
            code: code.to_owned(),
            text: format!("Redis: {} {code}", error.category()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what the server says as redis-rs does from the wire.
    fn said(line: &str) -> RedisFailure {
        let answer = redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
            .and_then(|value| value.extract_error());
        RedisFailure::from(&answer.unwrap_err())
    }

    #[test]
    fn what_a_server_lacks_makes_it_unavailable() {
        for line in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "OOM command not allowed when used memory > 'maxmemory'. script: 8c1f, on @user_script:7.",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "MISCONF Errors writing to the AOF file: No space left on device",
            "READONLY You can't write against a read only replica.",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "NOREPLICAS Not enough good replicas to write.",
            "CLUSTERDOWN The cluster is down",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOPERM this user has no permissions to run the 'evalsha' command",
            "IOERR error or timeout writing to target instance",
            "ERR max number of clients reached",
        ] {
            let failure = said(line);
            assert_eq!(failure.why(), Why::Unavailable, "{line}: {failure:?}");
            assert!(!failure.to_string().contains("disk"), "only kind and code");
        }
        for line in [
            "ERR unknown command 'EVALSHAX'",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "CROSSSLOT Keys in request don't hash to the same slot",
        ] {
            let failure = said(line);
            assert_eq!(failure.why(), Why::Internal, "{line}: {failure:?}");
        }
        assert_eq!(said("BEHIND").code(), "BEHIND");
    }
}
