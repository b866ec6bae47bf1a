//! What was measured on.

use std::{fs, process::Command};

use testkit::packages;

use crate::pace::cores;

/// Machine and programs, a line each, as a Markdown list.
#[must_use]
pub fn describe() -> String {
    let mut lines = vec![
        format!("{}, {} cores", processor(), cores()),
        format!("{} MiB of memory", memory()),
        format!("Linux {}", first_line("/proc/sys/kernel/osrelease")),
    ];
    for (program, argument) in [
        ("rustc", "--version"),
        ("postgres", "--version"),
        ("redis-server", "--version"),
        ("nginx", "-v"),
        ("wrk", "--version"),
    ] {
        lines.push(version(program, argument));
    }
    lines.iter().map(|line| format!("- {line}\n")).collect()
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name)
        .to_owned()
}

fn memory() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut words = info.split_whitespace().skip(1);
    let kilobytes: Option<u64> = words.next().and_then(|word| word.parse().ok());
    kilobytes.unwrap_or_default() / 1_024
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The first line a program says of itself, on whichever output, without what follows the number.
fn version(program: &str, argument: &str) -> String {
    let path = packages::find(program).unwrap_or_else(|| program.into());
    let Ok(output) = Command::new(path).arg(argument).output() else {
        return format!("no {program}");
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default();
    let short = line.split(" (Debian").next().unwrap_or(line);
    let short = short.split(" [").next().unwrap_or(short);
    short.split(" sha=").next().unwrap_or(short).to_owned()
}
