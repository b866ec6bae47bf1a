#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod documents;
mod loader;
mod production;
mod random;
mod rings;
mod sections;

use ud_config::Loader;

/// The problems of `loader` after `read`, one a line, without the heading.
fn problems<T>(mut loader: Loader, read: impl FnOnce(&mut Loader) -> T) -> Vec<String> {
    read(&mut loader);
    match loader.finish() {
        Ok(()) => Vec::new(),
        Err(errors) => errors.problems.iter().map(ToString::to_string).collect(),
    }
}

fn development(pairs: &[(&str, &str)]) -> Loader {
    let env = [("APP_ENV", "development")];
    Loader::from_pairs(env.into_iter().chain(pairs.iter().copied()))
}

fn production(pairs: &[(&str, &str)]) -> Loader {
    Loader::from_pairs(pairs.iter().copied())
}
