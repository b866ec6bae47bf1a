//! Measures each program before its first request: instructions from its start on a migrated database until it is ready, and
//! resident memory when nothing has been asked of it.

use std::{path::PathBuf, time::Duration};

use end_to_end::{Kind, Platform, SERVICES, program_of, standalone};
use ud_kernel::Service;

use super::{
    callgrind::{Begin, Callgrind},
    figures::{Figure, Figures},
};
use crate::world::{Memory, site};

/// The work that begins with the start has ended by then.
const SETTLED: Duration = Duration::from_secs(3);
/// Starts of which the middle one counts.
const STARTS: usize = 5;

/// Measures every program.
///
/// # Panics
/// If one does not start, or callgrind is missing.
pub async fn measure() -> Figures {
    let mut figures = Figures::new();
    let mut platform = start(Kind::Services).await;
    for (service, name) in SERVICES {
        of_program(
            &mut platform,
            service,
            name,
            program_of(service),
            &mut figures,
        )
        .await;
    }
    platform.shut_down().await;
    let mut platform = start(Kind::Standalone).await;
    let program = standalone();
    of_program(
        &mut platform,
        Service::Auth,
        "standalone",
        program,
        &mut figures,
    )
    .await;
    figures
}

async fn start(kind: Kind) -> Platform {
    let mut options = site(kind, Some("4")).without_administrator();
    // Whether the first administrator is looked for before or after a program is ready is chance.
    for name in ["BOOTSTRAP_ADMIN_EMAIL", "BOOTSTRAP_ADMIN_PASSWORD"] {
        options = options.set(name, "");
    }
    // As many as the machine has cores would be another figure on each.
    options.set("HTTP_WORKERS", "2").start().await
}

async fn of_program(
    platform: &mut Platform,
    service: Service,
    name: &str,
    program: PathBuf,
    figures: &mut Figures,
) {
    // As in production, where somebody ran `migrate` before.
    platform.process_mut(service).set("AUTO_MIGRATE", "false");
    let mut resident = Vec::new();
    for _ in 0..STARTS {
        let _ = platform.stop(service).await;
        platform.restart(service).await;
        tokio::time::sleep(SETTLED).await;
        resident.push(Memory::of(platform.process(service).process().pid()).rss);
    }
    resident.sort_unstable();
    let middle = Figure::of_bytes(resident[STARTS / 2]);
    let _ = figures.insert(format!("resident memory, {name}, bytes"), middle);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut callgrind = Callgrind::new(folder.path().to_owned());
    let wrapped = callgrind.wrap(&program, Begin::AtStart);
    let _ = platform.stop(service).await;
    platform.process_mut(service).become_program(wrapped);
    platform.restart(service).await;
    let count = callgrind.count(platform.process(service).process().pid());
    let figure = Figure::of_operations(&count.without_jitter(), 1, 0);
    let _ = figures.insert(format!("start, {name}"), figure);
    let _ = platform.stop(service).await;
    platform.process_mut(service).become_program(program);
    platform.restart(service).await;
}
