//! The logger of the process.

use std::{
    cell::Cell,
    io::{IsTerminal as _, Write as _},
    panic::PanicHookInfo,
};

use env_logger::{Builder, Target, fmt::Formatter, fmt::style::Style};
use log::{Level, Log, Metadata, Record};
use ud_config::{LogConfig, LogFormat};
use ud_kernel::Clock;

use crate::{
    current,
    line::{Line, json, text},
    sink::{self, Sink},
};

thread_local! {
    /// Memory for one line after another. Taken out while a line is made: what makes it may log itself, or panic.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Logs to standard error from now on, and logs panics there too; up to 20 ms late unless that is a terminal or the line
/// a warning or worse ([`crate::flush`]). A second call does nothing. A line that
/// cannot be written is lost; nothing else happens.
///
/// `service` is the name on lines that belong to no service of their own.
pub fn init(config: &LogConfig, service: &str) {
    let service = service.to_owned();
    let form = config.format;
    let mut builder = Builder::new();
    builder.parse_filters(&config.level);
    // Somebody who looks on sees each line at once, and in colours.
    let began = if std::io::stderr().is_terminal() {
        let write = move |out: &mut Formatter, record: &Record<'_>| {
            let style = out.default_level_style(record.level());
            write_line(record, &service, form, style, |line| out.write_all(line))
        };
        builder
            .target(Target::Stderr)
            .format(write)
            .try_init()
            .is_ok()
    } else {
        let piped = Piped {
            filter: builder.build(),
            service,
            form,
            sink: Sink::new(),
        };
        piped.init()
    };
    if began {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Logs where nobody looks on: no colours, and lines are gathered.
struct Piped {
    /// Only tells which records are written.
    filter: env_logger::Logger,
    service: String,
    form: LogFormat,
    sink: Sink,
}

impl Piped {
    /// Whether it is the first logger.
    fn init(self) -> bool {
        let level = self.filter.filter();
        if log::set_boxed_logger(Box::new(self)).is_err() {
            return false;
        }
        log::set_max_level(level);
        if let Err(error) = sink::start() {
            log::warn!("log lines are written late: {error}");
        }
        true
    }
}

impl Log for Piped {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter.matches(record) {
            let is_urgent = record.level() <= Level::Warn;
            write_line(record, &self.service, self.form, Style::new(), |line| {
                self.sink.take(line, is_urgent);
            });
        }
    }

    fn flush(&self) {
        sink::flush();
    }
}

/// Makes a line of `record` and hands it to `write`, with its end.
fn write_line<R>(
    record: &Record<'_>,
    service: &str,
    form: LogFormat,
    style: Style,
    write: impl FnOnce(&[u8]) -> R,
) -> R {
    let context = current();
    let line = Line::new(record, Clock::system().now(), service, context.as_ref());
    match form {
        LogFormat::Json => {
            let mut out = LINE.try_with(Cell::take).unwrap_or_default();
            out.clear();
            json(&line, &mut out);
            let written = write(&out);
            let _ = LINE.try_with(|memory| memory.set(out));
            written
        }
        LogFormat::Text => write(text(&line, style).as_bytes()),
    }
}

/// One line for a panic, where the standard hook prints several without request id.
fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info
        .location()
        .map_or_else(String::new, |l| format!(" at {l}"));
    let message = info.payload_as_str().unwrap_or("(no message)");
    log::error!(target: "panic", "panicked{place}: {message}");
}
