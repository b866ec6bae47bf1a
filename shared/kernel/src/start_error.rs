//! Why a process or a command did not do its work, and the exit code that says so.

use std::fmt;

/// A failed start or command: a text for standard error and an exit code of `sysexits.h`.
#[derive(Debug)]
pub struct StartError {
    exit_code: u8,
    text: String,
}

impl StartError {
    /// Exit code of [`StartError::config`] (`EX_CONFIG`).
    pub const EXIT_CONFIG: u8 = 78;
    /// Exit code of [`StartError::internal`] (`EX_SOFTWARE`).
    pub const EXIT_INTERNAL: u8 = 70;
    /// Exit code of [`StartError::usage`] (`EX_USAGE`).
    pub const EXIT_USAGE: u8 = 64;

    /// Something configured is wrong, or a file that the configuration names.
    pub fn config(text: impl fmt::Display) -> Self {
        Self::new(Self::EXIT_CONFIG, text)
    }

    /// Anything else.
    pub fn internal(text: impl fmt::Display) -> Self {
        Self::new(Self::EXIT_INTERNAL, text)
    }

    /// A command is incomplete.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::new(Self::EXIT_USAGE, text)
    }

    fn new(exit_code: u8, text: impl fmt::Display) -> Self {
        Self {
            exit_code,
            text: text.to_string(),
        }
    }

    /// Returns the exit code for `main`.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StartError {}
