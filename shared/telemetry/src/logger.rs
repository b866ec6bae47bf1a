//! The logger of the process.

use std::{
    io::{IsTerminal as _, Write as _},
    panic::PanicHookInfo,
};

use env_logger::{Builder, Target, WriteStyle, fmt::Formatter, fmt::style::Style};
use log::{Level, Record};
use ud_config::{LogConfig, LogFormat};
use ud_kernel::Clock;

use crate::{
    current,
    line::{Line, json, text},
    sink::{self, Sink},
};

/// Logs to standard error from now on, and logs panics there too; up to 20 ms late unless that is a terminal or the line
/// a warning or worse ([`crate::flush`]). A second call does nothing. A line that
/// cannot be written is lost; nothing else happens.
///
/// `service` is the name on lines that belong to no service of their own.
pub fn init(config: &LogConfig, service: &str) {
    let service = service.to_owned();
    let form = config.format;
    // Somebody who looks on sees each line at once, and in colours.
    let is_terminal = std::io::stderr().is_terminal();
    let write = move |out: &mut Formatter, record: &Record<'_>| {
        if record.level() <= Level::Warn {
            sink::do_not_wait();
        }
        let context = current();
        let line = Line::new(record, Clock::system().now(), &service, context.as_ref());
        match form {
            LogFormat::Json => out.write_all(json(&line).as_bytes()),
            LogFormat::Text => {
                let style = if is_terminal {
                    out.default_level_style(record.level())
                } else {
                    Style::new()
                };
                out.write_all(text(&line, style).as_bytes())
            }
        }
    };
    let mut builder = Builder::new();
    builder.parse_filters(&config.level).format(write);
    if is_terminal {
        builder.target(Target::Stderr);
    } else {
        // There are no escapes to take out.
        builder
            .write_style(WriteStyle::Always)
            .target(Target::Pipe(Box::new(Sink::new())));
    }
    if builder.try_init().is_ok() {
        if !is_terminal && let Err(error) = sink::start() {
            log::warn!("log lines are written late: {error}");
        }
        std::panic::set_hook(Box::new(log_panic));
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
