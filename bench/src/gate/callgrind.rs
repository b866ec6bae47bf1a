//! Instructions of a running program, counted by callgrind (valgrind). A count does not depend on what else the machine
//! does, so that a small change of it is a change of the program.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// Parts of the names of a thread's first frames. All that a thread does is booked on each of them again if it ran before
/// counting began; they have next to nothing of their own.
const THREAD: [&str; 4] = [
    "start_thread",
    "clone",
    "thread_start",
    "call_once{{vtable.shim}}",
];

/// Says what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The program's start: from its first instruction until [`SERVING`].
    Start,
    /// Everything after [`Callgrind::begin`]; until then the program is several times faster.
    OnCommand,
}

/// The function by which a program, all of whose parts are built then, makes the first of the threads that answer requests.
/// From then on its background tasks run, and what they do depends on the time that passes.
const SERVING: &str = "actix_rt::arbiter::Arbiter::try_new*";

/// Holds what was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// All instructions.
    pub total: u64,
    /// Each function's own instructions, without those of the functions that it calls.
    pub functions: BTreeMap<String, u64>,
}

/// Parts of the names of functions by which aws-lc collects entropy from the jitter of the clock: it takes a
/// number of rounds that differs, 84 to 95 % of all that a program does until it is ready.
const JITTER: [&str; 6] = [
    "jent_",
    "rol64",
    "uint32rotl",
    "xoshiro128starstar",
    "ptr_to_le32",
    "ptr_to_le64",
];

impl Count {
    /// Leaves out what depends on the clock.
    #[must_use]
    pub fn without_jitter(mut self) -> Self {
        let is_jitter = |name: &str| JITTER.iter().any(|part| name.contains(part));
        let jitter = self.functions.extract_if(.., |name, _| is_jitter(name));
        let instructions: u64 = jitter.map(|(_, instructions)| instructions).sum();
        self.total = self.total.saturating_sub(instructions);
        self
    }
}

/// Runs a program under callgrind and reads its counts.
#[derive(Debug)]
pub struct Callgrind {
    folder: PathBuf,
    dumps: usize,
}

impl Callgrind {
    /// Keeps its files in `folder`, for one program.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder, dumps: 0 }
    }

    /// Writes a program that runs `program` under callgrind, for a caller that starts programs by their path alone, and
    /// returns its path. The process keeps its number.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[must_use]
    pub fn wrap(&self, program: &Path, span: Span) -> PathBuf {
        let span = match span {
            Span::Start => format!("--instr-atstart=yes --dump-before='{SERVING}'"),
            Span::OnCommand => "--instr-atstart=no".to_owned(),
        };
        let script = format!(
            "#!/bin/sh\nexec valgrind --quiet --tool=callgrind {span} --vgdb-prefix='{}' \
             --callgrind-out-file='{}' '{}' \"$@\"\n",
            self.pipes().display(),
            self.out().display(),
            program.display()
        );
        let file = self.folder.join("program");
        fs::write(&file, script).expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).expect("a program");
        file
    }

    /// Counts from now on, in the process `pid`.
    ///
    /// # Panics
    /// If callgrind does not obey.
    pub fn begin(&self, pid: u32) {
        self.control(&["--instr=on"], pid);
        self.control(&["--zero"], pid);
    }

    /// Returns what has been counted in the process `pid` since [`Callgrind::begin`], or since the last count.
    ///
    /// # Panics
    /// If callgrind does not obey, or tells it in another form.
    pub fn count(&mut self, pid: u32) -> Count {
        self.control(&["--dump"], pid);
        self.dumps += 1;
        self.read(self.dumps)
    }

    /// Returns what was counted until the program served.
    ///
    /// # Panics
    /// If it does not serve yet, or no longer has the function by which that is seen.
    #[must_use]
    pub fn start(&self) -> Count {
        self.read(1)
    }

    fn read(&self, dump: usize) -> Count {
        let file = format!("{}.{dump}", self.out().display());
        let output = Command::new("callgrind_annotate")
            .args(["--threshold=100", "--auto=no", "--show=Ir", &file])
            .output()
            .expect("callgrind_annotate of valgrind");
        assert!(output.status.success(), "callgrind_annotate: {output:?}");
        parse(&String::from_utf8_lossy(&output.stdout)).expect("a count")
    }

    fn out(&self) -> PathBuf {
        self.folder.join("callgrind.out")
    }

    /// Where the pipes are by which callgrind is told something. Not in `TMPDIR`, which is another one for the program.
    fn pipes(&self) -> PathBuf {
        self.folder.join("pipe")
    }

    fn control(&self, arguments: &[&str], pid: u32) {
        let output = Command::new("callgrind_control")
            .arg(format!("--vgdb-prefix={}", self.pipes().display()))
            .args(arguments)
            .arg(pid.to_string())
            .output()
            .expect("callgrind_control of valgrind");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && !said.contains("Error"),
            "callgrind_control {arguments:?}: {output:?}"
        );
    }
}

/// Reads what `callgrind_annotate` prints: `1,234 (56.78%)  file:function [object]`.
fn parse(text: &str) -> Option<Count> {
    let lines = text.lines().filter_map(line);
    let mut count = Count::default();
    let mut total = None;
    for (instructions, name) in lines {
        if name.starts_with("PROGRAM TOTALS") {
            total = Some(instructions);
            continue;
        }
        let name = function(name);
        if !THREAD.iter().any(|frame| name.contains(frame)) {
            *count.functions.entry(name).or_default() += instructions;
        }
    }
    count.total = total?;
    Some(count)
}

fn line(line: &str) -> Option<(u64, &str)> {
    let (number, rest) = line.trim_start().split_once(' ')?;
    let instructions = number.replace(',', "").parse().ok()?;
    let rest = rest.trim_start();
    // Older ones print no share.
    let name = match rest.strip_prefix('(') {
        Some(share) => share.split_once(')')?.1,
        None => rest,
    };
    Some((instructions, name.trim()))
}

/// The function's name without its file, its object, and what differs from one build to the next.
fn function(name: &str) -> String {
    let name = match name.rsplit_once(" [") {
        Some((name, _)) if name.contains(':') => name,
        _ => name,
    };
    let name = name.split_once(':').map_or(name, |(_, function)| function);
    // A recursion that callgrind tells apart.
    let name = match name.rsplit_once('\'') {
        Some((name, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    };
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name.to_owned()
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
--------------------------------------------------------------------------------
Profile data file 'callgrind.out.1' (creator: callgrind-3.19.0)
--------------------------------------------------------------------------------
I1 cache:
Timerange: Basic block 0 - 5
Trigger: user request
Events recorded:  Ir
--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
1,234,567 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir                 file:function
--------------------------------------------------------------------------------
1,000,000 (81.00%)  ???:core::ptr::drop_in_place<alloc::vec::Vec<u8>>::h0123456789abcdef [/srv/standalone]
  200,000 (16.20%)  ???:core::ptr::drop_in_place<alloc::vec::Vec<u8>>'2 [/srv/standalone]
   34,567 ( 2.80%)  ./string/../sysdeps/x86_64/multiarch/memmove.S:__memcpy_avx_unaligned [/lib/libc.so.6]
";

    #[test]
    fn what_callgrind_prints_is_read() {
        let count = parse(PRINTED).unwrap();
        assert_eq!(count.total, 1_234_567);
        let functions: Vec<_> = count.functions.into_iter().collect();
        let expected = [
            ("__memcpy_avx_unaligned".to_owned(), 34_567),
            (
                "core::ptr::drop_in_place<alloc::vec::Vec<u8>>".to_owned(),
                1_200_000,
            ),
        ];
        assert_eq!(functions, expected);
    }

    #[test]
    fn what_depends_on_the_clock_is_left_out() {
        let functions = [("jent_keccakp_chi", 70), ("rol64", 20), ("main", 10)];
        let functions = functions.map(|(name, n)| (name.to_owned(), n));
        let count = Count {
            total: 100,
            functions: BTreeMap::from(functions),
        };
        let left = Count {
            total: 10,
            functions: BTreeMap::from([("main".to_owned(), 10)]),
        };
        assert_eq!(count.without_jitter(), left);
    }

    #[test]
    fn without_a_total_it_is_no_count() {
        let text: String = PRINTED
            .lines()
            .filter(|line| !line.contains("TOTALS"))
            .collect();
        assert_eq!(parse(&text), None);
    }
}
