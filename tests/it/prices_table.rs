//! docs/PRICES.md, written and read.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use end_to_end::Kept;

use crate::prices_costs::Costs;

/// Bytes differ a little: numbers and names have digits more or less.
const TOLERANCE: i64 = 24;

const HEAD: &str = "# Prices

What one request costs: every operation that needs no token, every one that users may call for themselves, and the
refusals that a stranger can cause. Written and kept by the test `every_operation_has_its_price`
([tests/it/prices.rs](../tests/it/prices.rs)), which sends each request to a running platform, once, and fails when a
number is another than here, higher or lower, and when an operation without a price comes. After an intended change:
`make prices`.

- **database**: turns on a database connection (a read or a transaction) at each service and, in parentheses, the
  statements in them, `BEGIN` and `COMMIT` included; standalone on SQLite. The access log has the same numbers for every
  request (`db_calls`, `db_statements`, [LOGGING.md](LOGGING.md)). The services on PostgreSQL have the same turns
  but for session, which has Redis; the test compares them. What a request tells another service directly, its event
  says too; the numbers are those of a request that comes first, which is the dearer: the second finds it done. Once a
  minute a login or a refresh costs session one statement more, which keeps the time when the last token ends.
- **Redis**: commands and scripts sent to Redis, by the services with `REDIS_URL`.
- **inner**: HTTP requests between services, with all that these cause. A token's state is known from the revocation
  feed and costs none; while the feed is away each service asks once a second for each session in use.
- **kept**: rows that were not there before, when every event has been delivered, and the bytes of their values and of
  what other rows have grown by, on SQLite; indexes come on top. What Redis keeps of a session is not measured here. Equal within 24 bytes and a tenth. `inbox` rows stay 30
  days, `login_counts` until the failure is forgotten, `closed_sessions` and `revocations` as long as a token can live,
  `idempotency_keys` 24 hours, `audit.records` for ever. Rows of the outbox are gone when they are delivered, and records
  of refusals are bounded ([THREAT-MODEL.md](THREAT-MODEL.md#rules), rule 33).
- **CPU** is stated, not tested. A *hash* is bcrypt at `BCRYPT_COST` (12 by default: about 0.2 s), and a *strength check*
  zxcvbn on 40 characters (about a millisecond); both run in the hash pool. A *signature* made or verified (Ed25519) is
  below 0.1 ms, and a good token is verified once for each process and then known by its SHA-256. *Little* is below a
  millisecond ([PERFORMANCE.md](PERFORMANCE.md) has requests for each second).
- **limit**: the keys of [CONFIG.md](CONFIG.md#limits) that bound it. What has none changes nothing; of that, what needs
  no token costs no database call, except standalone's `/readyz`, where all who ask share one answer a second.

Descriptors: one for the connection, whatever is asked. No operation opens a file or a connection of its own; database,
Redis and inner connections come from pools.

";

/// One line.
#[derive(Debug, Clone)]
pub struct Price {
    /// Method and path pattern.
    pub operation: String,
    /// What is special about the request.
    pub case: &'static str,
    /// Status of its answer.
    pub status: u16,
    /// What it costs on standalone.
    pub costs: Costs,
    /// Calls of Redis, by the services.
    pub redis: u64,
    /// What stays.
    pub kept: Kept,
    /// Stated.
    pub cpu: &'static str,
    /// Keys of its limits.
    pub limits: Vec<String>,
}

impl Price {
    /// The cells of its line, less the bytes, which may differ a little.
    fn cells(&self) -> [String; 9] {
        let database = self.costs.database.iter();
        let database = database
            .map(|(service, (calls, statements))| format!("{service} {calls} ({statements})"));
        let rows = self.kept.rows.iter();
        let rows = rows.map(|(table, rows)| format!("{table} {rows}"));
        let limits = self.limits.iter().map(|name| format!("`{name}`"));
        [
            format!("`{}`", self.operation),
            self.case.to_owned(),
            self.status.to_string(),
            database.collect::<Vec<_>>().join(", "),
            self.redis.to_string(),
            self.costs.inner.to_string(),
            rows.collect::<Vec<_>>().join(", "),
            self.cpu.to_owned(),
            limits.collect::<Vec<_>>().join(", "),
        ]
    }

    fn line(&self, bytes: i64) -> String {
        let [
            operation,
            case,
            status,
            database,
            redis,
            inner,
            rows,
            cpu,
            limits,
        ] = self.cells();
        format!(
            "| {operation} | {case} | {status} | {database} | {redis} | {inner} | {rows} | {bytes} | {cpu} | {limits} |"
        )
    }

    /// Bytes as they are written, if this line is what stands there.
    fn written_bytes(&self, text: &str) -> Option<i64> {
        let [operation, case, ..] = self.cells();
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with(&format!("| {operation} | {case} | ")))?;
        let bytes = line.split('|').nth(8)?.trim().parse().ok()?;
        let is_same =
            self.line(bytes) == line && (bytes - self.kept.bytes).abs() <= TOLERANCE + bytes / 10;
        is_same.then_some(bytes)
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/PRICES.md")
}

/// Panics unless docs/PRICES.md has these prices; with `UPDATE_DOCS` it has them afterwards.
#[expect(clippy::disallowed_methods, reason = "as in standalone's documents.rs")]
pub fn are_written(prices: &[Price]) {
    let written = fs::read_to_string(file()).unwrap_or_default();
    let mut text = format!(
        "{HEAD}| operation | case | answer | database | Redis | inner | kept | bytes | CPU | limit |\n\
        |---|---|---|---|---|---|---|---|---|---|\n"
    );
    let mut seen = BTreeSet::new();
    for price in prices {
        assert!(
            seen.insert((&price.operation, price.case)),
            "twice: {price:?}"
        );
        // What is right stays as it is.
        let bytes = price.written_bytes(&written).unwrap_or(price.kept.bytes);
        writeln!(text, "{}", price.line(bytes)).unwrap();
    }
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::write(file(), &text).unwrap();
        return;
    }
    let is_new = |line: &&str| !written.lines().any(|known| known == *line);
    let is_gone = |line: &&str| !text.lines().any(|known| known == *line);
    let new: Vec<_> = text.lines().filter(is_new).collect();
    let gone: Vec<_> = written.lines().filter(is_gone).collect();
    assert!(
        text == written,
        "docs/PRICES.md says\n{}\nand measured was\n{}\nafter an intended change run `make prices`",
        gone.join("\n"),
        new.join("\n")
    );
}
