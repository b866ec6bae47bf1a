//! Standard error, a few milliseconds late: lines are gathered and written together, so that a busy service does not
//! make a system call for each request. Warnings, errors and the end of the process take what is gathered along. Only a
//! process that is killed loses lines, those of the last [`GATHER`].

use std::{
    io::{self, Write as _},
    mem,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

/// How long lines are gathered.
const GATHER: Duration = Duration::from_millis(20);
/// So many bytes do not wait: whoever logs more than can be written is held up, as without this.
const FULL: usize = 64 * 1024;

/// Of the whole process: there is one standard error.
static GATHERED: OnceLock<Gathered> = OnceLock::new();

#[derive(Default)]
struct Gathered {
    lines: Mutex<Vec<u8>>,
    /// Told when lines come where there were none.
    begun: Condvar,
    /// What is being written. Taken before `lines`: so they keep their order.
    out: Mutex<Vec<u8>>,
}

/// Writes into what is gathered.
pub(crate) struct Sink(&'static Gathered);

impl Sink {
    pub(crate) fn new() -> Self {
        Self(GATHERED.get_or_init(Gathered::default))
    }

    /// Takes a whole line; an urgent one is written before this returns, with all that came before it.
    pub(crate) fn take(&self, line: &[u8], is_urgent: bool) {
        let mut lines = self.0.lines();
        if lines.is_empty() {
            self.0.begun.notify_one();
        }
        lines.extend_from_slice(line);
        let is_full = lines.len() >= FULL;
        drop(lines);
        if is_full || is_urgent {
            self.0.write_out();
        }
    }
}

/// Writes what is gathered, from now on.
///
/// # Errors
/// If the machine gives no thread: lines then wait for an urgent one.
pub(crate) fn start() -> io::Result<()> {
    let gathered = GATHERED.get_or_init(Gathered::default);
    thread::Builder::new()
        .name("log".to_owned())
        .stack_size(64 * 1024)
        .spawn(|| gathered.write_every_now_and_then())?;
    Ok(())
}

/// Writes what is gathered. Before the process ends.
pub fn flush() {
    if let Some(gathered) = GATHERED.get() {
        gathered.write_out();
    }
}

impl Gathered {
    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_every_now_and_then(&self) {
        loop {
            let begun = self
                .begun
                .wait_while(self.lines(), |lines| lines.is_empty());
            drop(begun);
            thread::sleep(GATHER);
            self.write_out();
        }
    }

    fn write_out(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut *self.lines(), &mut *out);
        // A line that cannot be written is lost; nobody is held up by that.
        let _ = io::stderr().write_all(&out);
        out.clear();
    }
}
