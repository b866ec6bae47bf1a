//! A prepared `SELECT` by PostgreSQL's own benchmark.

use std::{fs, process::Command, time::Duration};

use testkit::{TestDatabase, packages};

use crate::stats::Figure;

/// Runs `sql`, in which `:name` stands for a variable, over `clients` connections for `span`.
///
/// # Panics
/// If pgbench is not there or fails; the message has what it wrote.
pub async fn select(
    database: &TestDatabase,
    sql: &str,
    variables: &[(&str, &str)],
    clients: usize,
    span: Duration,
) -> Figure {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = folder.path().join("select.sql");
    fs::write(&script, sql).expect("the folder can be written");
    let program = packages::find("pgbench").expect("pgbench comes with PostgreSQL");
    let mut command = Command::new(program);
    command.args(["-n", "-M", "prepared"]);
    command.arg(format!("-c{clients}")).arg("-j2");
    command.arg(format!("-T{}", span.as_secs_f64().ceil()));
    for (name, value) in variables {
        command.args(["-D", &format!("{name}={value}")]);
    }
    command.arg("-f").arg(&script).arg(&database.url);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output
        .expect("a thread to wait in")
        .expect("pgbench starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "pgbench: {text}");
    parse(&text).unwrap_or_else(|| panic!("not a report of pgbench: {text}"))
}

fn parse(text: &str) -> Option<Figure> {
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    Some(Figure::of_rate(line.split(' ').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let text = "latency average = 0.1 ms\ntps = 41234.125 (without initial connection time)\n";
        assert!((parse(text).unwrap().rate - 41_234.125).abs() < 1e-6);
        assert!(parse("connection refused").is_none());
    }
}
