//! What is wrong with a configuration.

use std::fmt;

/// One thing wrong with one key. Holds no secret: only names, limits, and values of keys that are not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Full name of the key, or of the file that could not be read.
    pub key: String,
    /// What is wrong with it and what is expected; no full stop, no line break.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.text)
    }
}

/// Everything wrong with a configuration, in the order in which it was found. Displayed one problem a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("configuration has 1 problem:")?,
            n => write!(f, "configuration has {n} problems:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
