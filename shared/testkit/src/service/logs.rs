//! What the process logs, and whether a secret stands in it.

use std::{
    fmt::Write as _,
    sync::{Mutex, OnceLock},
};

use log::{Level, LevelFilter, Log, Metadata, Record, kv};

use crate::secret_scanner::secrets;

/// These say at debug what they carry: nobody runs a service so. Stand-ins show what they are sent.
const LIBRARIES: [&str; 8] = [
    "actix",
    "h2",
    "hyper",
    "mio",
    "reqwest",
    "rustls",
    "tungstenite",
    "wiremock",
];

/// The lines that nobody has looked at yet, of all tests of this process.
static LINES: Mutex<String> = Mutex::new(String::new());

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let is_of_a_library = LIBRARIES.iter().any(|name| target.starts_with(name));
        metadata.level()
            <= if is_of_a_library {
                Level::Info
            } else {
                Level::Debug
            }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = format!("{} {} {}", record.level(), record.target(), record.args());
        let _ = record.key_values().visit(&mut Pairs(&mut line));
        if let Some(context) = ud_telemetry::current() {
            let _ = write!(line, " {context:?}");
        }
        line = line.replace('\n', " ");
        line.push('\n');
        LINES
            .lock()
            .expect("no panic under this lock")
            .push_str(&line);
    }

    fn flush(&self) {}
}

struct Pairs<'a>(&'a mut String);

impl<'kvs> kv::VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let _ = write!(self.0, " {key}={value}");
        Ok(())
    }
}

/// Keeps what is logged from now on, down to debug. A second call does nothing.
pub(super) fn keep() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        if log::set_logger(&Lines).is_ok() {
            log::set_max_level(LevelFilter::Debug);
        }
    });
}

/// Returns each new line that holds a secret or a personal datum (SECURITY rule 34).
pub(super) fn secrets_in_it() -> Vec<String> {
    let log = std::mem::take(&mut *LINES.lock().expect("no panic under this lock"));
    let mut found = secrets().found_in(&log);
    found.extend(log.lines().filter_map(suspicious));
    found
}

/// Whatever a test sent or got: what has the form of a token, a hash or an address.
fn suspicious(line: &str) -> Option<String> {
    let is_of = |c: char| c.is_ascii_alphanumeric() || "-_.@$+%".contains(c);
    let words = line.split(|c| !is_of(c));
    let word = words.filter(|word| !word.is_empty()).find(|word| {
        let is_jws = word.starts_with("eyJ") && word.matches('.').count() == 2;
        let is_token = ["udr_", "udd_"].iter().any(|form| word.starts_with(form));
        let is_hash = ["$2a$", "$2b$", "$argon2"]
            .iter()
            .any(|form| word.contains(form));
        let is_address = word.contains("@example.");
        is_jws || is_token || is_hash || is_address
    })?;
    Some(format!("{word:.24}… in: {line}"))
}
