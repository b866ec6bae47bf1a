#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for a developer's terminal: what goes wrong ends it"
)]

pub mod drive;
pub mod gate;
pub mod limits;
pub mod machine;
pub mod pace;
pub mod report;
pub mod scenarios;
pub mod stats;
pub mod wire;
pub mod world;
pub mod wrk;

use std::{process::ExitCode, time::Instant};

use clap::{Parser, Subcommand, ValueEnum as _};

use crate::{
    gate::Gate,
    limits::serve::{self, Serve},
    pace::Pace,
    report::{complaints, table},
    scenarios::Scenario,
};

/// Measures the platform, built for release, on throwaway servers: run it by `testkit with`
#[derive(Parser)]
struct Arguments {
    /// A first look, within two minutes
    #[arg(long)]
    quick: bool,
    /// So many rounds instead of as many as planned
    #[arg(long)]
    rounds: Option<usize>,
    /// These rows alone
    only: Vec<Scenario>,
    #[command(subcommand)]
    command: Option<Helper>,
}

#[derive(Subcommand)]
enum Helper {
    /// Is a bare handler; the program starts itself so
    Serve(Serve),
    Gate(Gate),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let gate = match arguments.command {
        Some(Helper::Serve(serve)) => {
            return match serve::run(serve) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("bench serve: {error}");
                    ExitCode::FAILURE
                }
            };
        }
        Some(Helper::Gate(gate)) => Some(gate),
        None => None,
    };
    if cfg!(debug_assertions) {
        eprintln!("bench: built for debugging: figures mean nothing");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if let Some(gate) = gate {
        return runtime.block_on(gate::run(gate));
    }
    let mut pace = if arguments.quick {
        Pace::quick()
    } else {
        Pace::full()
    };
    pace.rounds = arguments.rounds.unwrap_or(pace.rounds).max(1);
    runtime.block_on(measure(pace, &arguments.only))
}

async fn measure(pace: Pace, only: &[Scenario]) -> ExitCode {
    let wanted = match only {
        [] => Scenario::value_variants(),
        only => only,
    };
    let begun = Instant::now();
    let tell = |what: &str| eprintln!("bench: {:>4} s  {what}", begun.elapsed().as_secs());
    let rows = scenarios::run(wanted, pace, tell).await;
    tell("done");
    println!("{}\n{}", machine::describe(), table(&rows));
    let complaints = complaints(&rows);
    for complaint in &complaints {
        eprintln!("bench: {complaint}");
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
