//! `migrate --revert`: shows the statements that would undo a migration, and runs them when told to.

use std::{future::Future, io::Write as _, pin::Pin};

use clap::Args;
use ud_kernel::Service;

use ud_kernel::StartError;

type Work = Pin<Box<dyn Future<Output = Result<(), StartError>>>>;

/// Holds what may follow `migrate` on the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct MigrateArguments {
    /// Show what undoing the last migration, or the one of this version, would drop; exit code 64
    #[arg(long, value_name = "VERSION", num_args = 0..=1, require_equals = true)]
    revert: Option<Option<String>>,
    /// Undo it, and drop that
    #[arg(long, requires = "revert")]
    yes: bool,
}

impl MigrateArguments {
    /// Returns whether a migration is to be undone, and not the pending ones to be run.
    #[must_use]
    pub const fn is_revert(&self) -> bool {
        self.revert.is_some()
    }

    /// Returns the version that is to be undone, if one is named.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.revert.as_ref()?.as_deref()
    }

    /// Returns whether the operator agrees to what is dropped.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        self.yes
    }
}

/// A migration of one service that was found and is not undone yet, or that there is none. Whatever keeps others from the
/// database lives in it.
pub struct Revert {
    found: Option<(String, Work)>,
}

impl Revert {
    /// Makes one of nothing: no migration is applied.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { found: None }
    }

    /// Takes a migration's name with its statements, a line for each, and the work that undoes it, if there is one.
    pub fn of(
        found: Option<(
            String,
            impl Future<Output = Result<(), StartError>> + 'static,
        )>,
    ) -> Self {
        let found = found.map(|(text, work)| (text, Box::pin(work) as Work));
        Self { found }
    }
}

/// Prints what undoes each service's migration. If that is confirmed, undoes it, one service after the other.
///
/// # Errors
/// Exit code 64 if something would be undone and that is not confirmed; nothing was changed then. Otherwise the first error
/// of the work, with the services whose migration was undone before it: only these are changed.
pub async fn carry_out(
    reverts: Vec<(Service, Revert)>,
    is_confirmed: bool,
) -> Result<(), StartError> {
    let verb = if is_confirmed {
        "undoing"
    } else {
        "would undo"
    };
    let mut works = Vec::new();
    for (service, revert) in reverts {
        match revert.found {
            None => say(&format!("{service}: no migration to undo"))?,
            Some((what, work)) => {
                say(&format!("{service}: {verb} {what}"))?;
                works.push((service, work));
            }
        }
    }
    if works.is_empty() {
        return Ok(());
    }
    if !is_confirmed {
        return Err(StartError::usage(
            "Nothing was changed. With --yes the statements above are run, and what they drop is gone",
        ));
    }
    let mut undone = Vec::new();
    for (service, work) in works {
        if let Err(error) = work.await {
            if undone.is_empty() {
                return Err(error);
            }
            let text = format!("{error}. Undone before it: {}", undone.join(", "));
            return Err(StartError::internal(text));
        }
        undone.push(service.as_str());
        // What was begun is carried out, also if nobody reads what it says.
        let _ = say(&format!("{service}: undone"));
    }
    Ok(())
}

fn say(text: &str) -> Result<(), StartError> {
    writeln!(std::io::stdout(), "{text}").map_err(StartError::internal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{cell::Cell, rc::Rc};

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: MigrateArguments,
    }

    fn parsed(line: &[&str]) -> Option<(bool, Option<String>, bool)> {
        let line = std::iter::once(&"migrate").chain(line);
        let arguments = Line::try_parse_from(line).ok()?.arguments;
        let version = arguments.version().map(str::to_owned);
        Some((arguments.is_revert(), version, arguments.is_confirmed()))
    }

    #[test]
    fn a_version_comes_with_an_equals_sign_and_yes_with_a_revert() {
        let version = Some("101".to_owned());
        assert_eq!(parsed(&[]), Some((false, None, false)));
        assert_eq!(parsed(&["--revert"]), Some((true, None, false)));
        assert_eq!(parsed(&["--revert", "--yes"]), Some((true, None, true)));
        assert_eq!(
            parsed(&["--yes", "--revert=101"]),
            Some((true, version, true))
        );
        for wrong in [
            &["--yes"][..],
            &["--revert", "101"],
            &["--revert", "--revert"],
            &["-y"],
        ] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn only_what_is_confirmed_is_done_and_an_error_ends_it() {
        let done = Rc::new(Cell::new(0));
        let reverts = |fails: bool| {
            let works = Service::ALL.map(|service| {
                let done = Rc::clone(&done);
                let work = async move {
                    if fails && service == Service::Session {
                        return Err(StartError::internal("no"));
                    }
                    done.set(done.get() + 1);
                    Ok(())
                };
                (service, Revert::of(Some(("1_a".to_owned(), work))))
            });
            works.into_iter().collect::<Vec<_>>()
        };
        let refused = carry_out(reverts(false), false).await.unwrap_err();
        assert_eq!((refused.exit_code(), done.get()), (64, 0));
        carry_out(reverts(false), true).await.unwrap();
        assert_eq!(done.replace(0), 5);
        let failed = carry_out(reverts(true), true).await.unwrap_err();
        assert_eq!((failed.exit_code(), done.get()), (70, 2));
        assert_eq!(failed.to_string(), "no. Undone before it: auth, role");
        let nothing = || vec![(Service::Role, Revert::nothing())];
        carry_out(nothing(), false).await.unwrap();
        carry_out(nothing(), true).await.unwrap();
    }
}
