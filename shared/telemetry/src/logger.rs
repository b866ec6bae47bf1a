//! The logger of the process.

use std::{io::Write as _, panic::PanicHookInfo};

use env_logger::{Builder, Target, fmt::Formatter};
use log::Record;
use ud_config::{LogConfig, LogFormat};
use ud_kernel::Clock;

use crate::{
    current,
    line::{Line, json, text},
};

/// Logs to standard error from now on, and logs panics there too. A second call does nothing. A line that
/// cannot be written is lost; nothing else happens.
///
/// `service` is the name on lines that belong to no service of their own.
pub fn init(config: &LogConfig, service: &str) {
    let service = service.to_owned();
    let form = config.format;
    let write = move |out: &mut Formatter, record: &Record<'_>| {
        let context = current();
        let line = Line::new(record, Clock::system().now(), &service, context.as_ref());
        match form {
            LogFormat::Json => out.write_all(json(&line).as_bytes()),
            LogFormat::Text => {
                let style = out.default_level_style(record.level());
                out.write_all(text(&line, style).as_bytes())
            }
        }
    };
    let logger = Builder::new()
        .parse_filters(&config.level)
        .target(Target::Stderr)
        .format(write)
        .try_init();
    if logger.is_ok() {
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
