//! The lost answer (SECURITY rule 17): after the window, the token before the newest gets the newest again while that
//! was never presented. A thief who has the same token gets it, too; therefore it is told to audit, is done for a minute
//! only where much is at stake, and whoever takes turns with the owner is found at their second turn.

use ud_kernel::models::Provenance;

/// Late repetitions in a session's life, each at another counter; one more is reuse.
pub const MOST: u32 = 5;

/// The late repetitions of a session so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LateRepetitions {
    /// Counter of the successor that the last of them gave again; 0 if there was none.
    pub counter: i64,
    /// How many there were, each successor counted once.
    pub count: u32,
    /// Where the last one came from, as [`source_of`] gives it.
    pub source: String,
}

impl LateRepetitions {
    /// After one more, which gives the successor `counter` again, and whether it is news for audit: the same from the
    /// same source is not. None if it is reuse: at two successive counters two parties are taking turns.
    #[must_use]
    pub fn and(&self, counter: i64, origin: &Provenance) -> Option<(Self, bool)> {
        let source = source_of(origin);
        if self.counter == counter {
            let is_news = self.source != source;
            let same = Self {
                source,
                ..self.clone()
            };
            return Some((same, is_news));
        }
        let follows = self.count > 0 && self.counter == counter - 1;
        if follows || self.count >= MOST {
            return None;
        }
        let next = Self {
            counter,
            count: self.count + 1,
            source,
        };
        Some((next, true))
    }
}

/// Address and agent of a request, in one text.
#[must_use]
pub fn source_of(origin: &Provenance) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{} {}", text(&origin.ip), text(&origin.user_agent))
}

/// The family of a `User-Agent`: what is left of it without the digits, dots and underscores that versions are made of.
/// An agent that was updated overnight is of its family; another program, or the same on another system, is not.
/// None and the empty text are one family.
///
/// The Redis script does the same with `gsub('[%d%._]', '')`.
#[must_use]
pub fn family(agent: Option<&str>) -> String {
    let is_of_version = |c: &char| c.is_ascii_digit() || matches!(c, '.' | '_');
    let agent = agent.unwrap_or_default();
    agent.chars().filter(|c| !is_of_version(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(ip: &str) -> Provenance {
        Provenance {
            ip: Some(ip.to_owned()),
            ..Provenance::default()
        }
    }

    #[test]
    fn version_numbers_do_not_count() {
        let chrome = |version: &str| {
            format!(
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version} Safari/537.36"
            )
        };
        let same = |a: &str, b: &str| family(Some(a)) == family(Some(b));
        assert!(same(&chrome("120.0.6099.109"), &chrome("131.0.0.0")));
        assert!(same("okhttp/4.9.1", "okhttp/5.0.0"));
        assert!(same("App (iPhone; iOS 17_2_1)", "App (iPhone; iOS 18_0)"));
        assert!(!same("okhttp/4.9.1", "curl/8.5.0"));
        assert!(!same("App (iPhone; iOS 17_2)", "App (iPad; iOS 17_2)"));
        assert_eq!(family(None), family(Some("")));
        assert_ne!(family(None), family(Some("okhttp/4")));
        assert_eq!(family(Some("Früh/1.2")), "Früh/");
    }

    #[test]
    fn the_same_successor_is_free_and_a_successive_one_is_reuse() {
        let (first, is_news) = LateRepetitions::default().and(2, &from("a")).unwrap();
        assert!(is_news);
        let (again, is_news) = first.and(2, &from("a")).unwrap();
        assert_eq!((&again, is_news), (&first, false));
        let (elsewhere, is_news) = first.and(2, &from("b")).unwrap();
        assert_eq!((elsewhere.count, is_news), (1, true));
        assert_eq!(elsewhere.and(3, &from("a")), None);
        assert_eq!(elsewhere.and(4, &from("a")).unwrap().0.count, 2);
        // Nothing follows on what never was.
        assert!(LateRepetitions::default().and(1, &from("a")).is_some());
    }

    #[test]
    fn the_sixth_is_reuse() {
        let mut late = LateRepetitions::default();
        for counter in [2, 4, 6, 8, 10] {
            late = late.and(counter, &from("a")).unwrap().0;
        }
        assert!(late.and(10, &from("a")).is_some());
        assert_eq!(late.and(12, &from("a")), None);
    }
}
