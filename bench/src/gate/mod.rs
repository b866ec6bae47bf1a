//! The gate: what operations and programs cost in instructions and bytes, which other work on the machine does not change,
//! compared with the figures in `bench/gate.json`.

pub mod callgrind;
pub mod costs;
pub mod requests;
pub mod starts;

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;

use self::costs::{Costs, complaints, table};

/// Compares instructions and memory with the committed figures; 1 if one is more than 3 % above
#[derive(Debug, Args)]
pub struct Gate {
    /// Writes the figures of this run instead
    #[arg(long)]
    write: bool,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("gate.json")
}

/// Measures, prints, and compares or writes.
///
/// # Panics
/// If something cannot be measured.
pub async fn run(gate: Gate) -> ExitCode {
    let mut measured = requests::measure().await;
    measured.extend(starts::measure().await);
    let committed = fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    let committed: Costs = serde_json::from_str(&committed).expect("gate.json");
    println!("{}", table(&measured, &committed));
    if gate.write {
        let mut text = serde_json::to_string_pretty(&measured).expect("JSON");
        text.push('\n');
        fs::write(file(), text).expect("gate.json");
        return ExitCode::SUCCESS;
    }
    let complaints = complaints(&measured, &committed);
    for complaint in &complaints {
        eprintln!("gate: {complaint}");
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!("gate: after an intended change: make gate-write");
        ExitCode::FAILURE
    }
}
