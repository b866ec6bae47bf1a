//! What the access logs tell of a request's costs.

use std::collections::BTreeMap;

use serde_json::Value;

/// What one request had done for it, by itself and by the requests it caused at other services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    /// Turns on a database connection, and the statements in them, at each service.
    pub database: BTreeMap<String, (u64, u64)>,
    /// Commands and scripts sent to Redis.
    pub redis: u64,
    /// HTTP requests between services.
    pub inner: u64,
}

/// The lines of the access logs in `logs`.
pub fn access_lines(logs: &str) -> Vec<Value> {
    let lines = logs
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_access = |line: &Value| line["target"] == "access" && line["service"].is_string();
    lines.filter(is_access).collect()
}

/// The costs of the request with this id; nothing if no service saw it.
///
/// # Panics
/// If a request that it caused is in no log.
pub fn costs_of(id: &str, lines: &[Value]) -> Option<Costs> {
    let mut costs = Costs::default();
    let mut ids = vec![id];
    let mut own: Vec<&Value> = Vec::new();
    loop {
        // A service that does not trust its caller's id makes one of its own, and tells of both.
        let is_one = |line: &Value, name: &str| ids.iter().any(|id| line[name] == *id);
        let is_new = |line: &&Value| !own.iter().any(|known| std::ptr::eq(*known, *line));
        let found = lines.iter().filter(is_new);
        let found =
            found.filter(|line| is_one(line, "request_id") || is_one(line, "client_request_id"));
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            break;
        }
        ids.extend(found.iter().filter_map(|line| line["request_id"].as_str()));
        own.extend(found);
    }
    for line in &own {
        // The line of a request that cost nothing has no numbers.
        let number = |name: &str| line[name].as_u64().unwrap_or_default();
        costs.redis += number("redis_calls");
        costs.inner += number("inner_calls");
        if number("db_calls") > 0 {
            let (calls, statements) = costs.database.entry(service_of(line)).or_default();
            *calls += number("db_calls");
            *statements += number("db_statements");
        }
    }
    let others = u64::try_from(own.len()).unwrap().checked_sub(1)?;
    assert_eq!(costs.inner, others, "inner calls of {id}: {own:#?}");
    Some(costs)
}

/// Standalone's internal listener has the paths of all services, each below its name.
fn service_of(line: &Value) -> String {
    let path = line["path"].as_str().unwrap();
    let inner = path
        .strip_prefix('/')
        .and_then(|path| path.split_once("/internal/"));
    let named = inner.map(|(service, _)| service).filter(|s| !s.is_empty());
    let service = line["service"].as_str().unwrap();
    named.unwrap_or(service).to_owned()
}
