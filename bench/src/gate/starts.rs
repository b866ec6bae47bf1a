//! Measures each program before its first request: instructions from its start on a migrated database until its services
//! are built, and resident memory when nothing has been asked of it.

use std::{path::PathBuf, time::Duration};

use end_to_end::{Kind, Platform, SERVICES, program_of, standalone};
use ud_kernel::Service;

use super::{
    callgrind::{Callgrind, Span},
    costs::{Cost, Costs},
};
use crate::world::{Memory, site};

/// Time after which a program has done what it does once, also while the machine has other work.
const SETTLED: Duration = Duration::from_secs(6);
/// Starts of which the one counts that needs least memory: what it needs at least is the program's, and what comes on top
/// depends on which threads happened to allocate at the same time.
const RESIDENT_STARTS: usize = 8;
/// Starts of which the one counts that needs fewest instructions.
const COUNTED_STARTS: usize = 3;

/// A program, and the service by which its process is known.
struct Program {
    service: Service,
    name: &'static str,
    path: PathBuf,
}

/// Measures every program.
///
/// # Panics
/// If one does not start, or callgrind is missing.
pub async fn measure() -> Costs {
    let services = SERVICES.map(|(service, name)| Program {
        service,
        name,
        path: program_of(service),
    });
    let mut costs = of_programs(Kind::Services, &services).await;
    let standalone = Program {
        service: Service::Auth,
        name: "standalone",
        path: standalone(),
    };
    costs.extend(of_programs(Kind::Standalone, &[standalone]).await);
    costs
}

async fn of_programs(kind: Kind, programs: &[Program]) -> Costs {
    let mut platform = start(kind).await;
    for program in programs {
        // As in production, where somebody ran `migrate` before.
        let process = platform.process_mut(program.service);
        process.set("AUTO_MIGRATE", "false");
    }
    let mut costs = Costs::new();
    for (program, bytes) in programs.iter().zip(resident(&mut platform, programs).await) {
        let cost = Cost::of_bytes(bytes);
        let _ = costs.insert(format!("resident memory, {}, bytes", program.name), cost);
    }
    for program in programs {
        let mut starts = Vec::new();
        for _ in 0..COUNTED_STARTS {
            starts.push(counted_start(&mut platform, program).await);
        }
        let fewest = starts.into_iter().min_by_key(|start| start.value);
        let _ = costs.insert(format!("start, {}", program.name), fewest.expect("a start"));
        // The others call it while their own starts are counted.
        let _ = platform.stop(program.service).await;
        let process = platform.process_mut(program.service);
        process.become_program(program.path.clone());
        platform.restart(program.service).await;
    }
    platform.shut_down().await;
    costs
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

/// Returns the bytes of each program's least memory, all of them started anew each time.
async fn resident(platform: &mut Platform, programs: &[Program]) -> Vec<u64> {
    let mut least = vec![u64::MAX; programs.len()];
    for _ in 0..RESIDENT_STARTS {
        for program in programs {
            let _ = platform.stop(program.service).await;
            platform.restart(program.service).await;
        }
        tokio::time::sleep(SETTLED).await;
        for (least, program) in least.iter_mut().zip(programs) {
            let pid = platform.process(program.service).process().pid();
            *least = Memory::of(pid).rss.min(*least);
        }
    }
    least
}

async fn counted_start(platform: &mut Platform, program: &Program) -> Cost {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let callgrind = Callgrind::new(folder.path().to_owned());
    let wrapped = callgrind.wrap(&program.path, Span::Start);
    let _ = platform.stop(program.service).await;
    let process = platform.process_mut(program.service);
    process.become_program(wrapped);
    platform.restart(program.service).await;
    Cost::of_operations(&callgrind.start().without_jitter(), 1, 0)
}
