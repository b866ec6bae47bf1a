//! How logs are written.

use std::str::FromStr;

use ud_kernel::Service;

use crate::{Loader, keys};

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a console.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// `LOG_FORMAT`, `LOG_LEVEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Form of a line.
    pub format: LogFormat,
    /// `level` or `target=level`, separated by commas, as env_logger takes it.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

impl LogConfig {
    /// From the loader.
    pub fn load(loader: &mut Loader, _service: Service) -> Self {
        let format = loader.parse(&keys::LOG_FORMAT, "`text` or `json`");
        let level = loader.parse::<Filter>(
            &keys::LOG_LEVEL,
            "`off`, `error`, `warn`, `info`, `debug` or `trace`, or `target=level`, separated by commas",
        );
        Self {
            format: format.unwrap_or(LogFormat::Text),
            level: level.map_or_else(|| "info".to_owned(), |filter| filter.0),
        }
    }
}

/// A filter that env_logger understands whole; it would only warn about the part it does not.
struct Filter(String);

impl FromStr for Filter {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_level = |level: &str| {
            let level = level.to_ascii_lowercase();
            ["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str())
        };
        let is_target = |target: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
            !target.is_empty() && target.chars().all(is_part)
        };
        let is_directive = |directive: &str| match directive.split_once('=') {
            None => is_level(directive),
            Some((target, level)) => is_target(target) && is_level(level),
        };
        if text
            .split(',')
            .all(|directive| is_directive(directive.trim()))
        {
            Ok(Self(text.replace(' ', "")))
        } else {
            Err(())
        }
    }
}
