//! Looks keys up and collects what is wrong.

mod lookup;
mod secrets;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt,
    fs::File,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::zeroize::Zeroizing;
use url::Url;

use crate::{
    AppEnv, ConfigErrors, Key, Limit, Problem, keys,
    source::{self, Origin, Value, shown},
    transport, unknown,
};

/// Reads keys, and remembers every problem until [`Loader::finish`]. A faulty value never stops it: what is
/// answered instead is of no use but lets the rest be read.
pub struct Loader {
    values: BTreeMap<String, Value>,
    /// Names set to something that is not UTF-8.
    not_text: BTreeSet<String>,
    problems: Vec<Problem>,
    /// Key material seen so far, to find one that has two uses.
    material: Vec<secrets::Material>,
    warnings: Vec<Problem>,
    standalone: bool,
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("keys", &self.values.len())
            .field("problems", &self.problems)
            .field("standalone", &self.standalone)
            .finish_non_exhaustive()
    }
}

impl Loader {
    /// From the process's environment and `.env` in the working directory, for a single service. To be
    /// called once, in `main`.
    #[must_use]
    pub fn from_environment() -> Self {
        let dotenv = Path::new(".env");
        Self::from_parts(std::env::vars_os(), dotenv.exists().then_some(dotenv))
    }

    /// From `env` and, where `env` does not have a key, the file `dotenv`.
    pub fn from_parts(
        env: impl IntoIterator<Item = (OsString, OsString)>,
        dotenv: Option<&Path>,
    ) -> Self {
        let mut loader = Self {
            values: BTreeMap::new(),
            not_text: BTreeSet::new(),
            problems: Vec::new(),
            material: Vec::new(),
            warnings: Vec::new(),
            standalone: false,
        };
        for (name, value) in env {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(text) => loader.set(name, text, Origin::Environment),
                Err(_) => {
                    loader.not_text.insert(name);
                }
            }
        }
        if let Some(path) = dotenv {
            let (lines, problems) = source::read_dotenv(path);
            loader.problems = problems;
            for (name, text) in lines {
                loader.set(name, text, Origin::DotEnv);
            }
        }
        loader
    }

    /// From `pairs` alone, as if they were the environment.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = pairs.into_iter();
        Self::from_parts(
            pairs.map(|(name, value)| (name.into().into(), value.into().into())),
            None,
        )
    }

    /// The same for the standalone binary: development unless told otherwise, per-service keys only with
    /// their prefix, databases and keys in `DATA_DIR`.
    #[must_use]
    pub fn for_standalone(mut self) -> Self {
        self.standalone = true;
        self
    }

    /// Whether this is the standalone binary's configuration.
    #[must_use]
    pub const fn is_standalone(&self) -> bool {
        self.standalone
    }

    /// The environment. A value that is neither counts as production; [`Loader::finish`] reports it.
    #[must_use]
    pub fn app_env(&self) -> AppEnv {
        match self.peek(&keys::APP_ENV) {
            Some("development") => AppEnv::Development,
            None if self.standalone => AppEnv::Development,
            _ => AppEnv::Production,
        }
    }

    /// The value, or the table's default. An empty value counts as unset.
    pub fn text(&mut self, key: &Key) -> Option<String> {
        match self.find(key) {
            Some(found) => Some(found.text.to_string()),
            None if self.is_faulty(key) => None,
            None => key.default.map(ToOwned::to_owned),
        }
    }

    /// The value or default as a `T`; `expects` says what is expected: "is not {expects}".
    pub fn parse<T: FromStr>(&mut self, key: &Key, expects: &str) -> Option<T> {
        let (name, text) = match self.find(key) {
            Some(found) => (found.name, found.text.to_string()),
            None if self.is_faulty(key) => return None,
            None => (key.name.to_string(), key.default?.to_owned()),
        };
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let shown = if key.secret {
                "its value".to_owned()
            } else {
                shown(&text)
            };
            self.report(name, format!("{shown} is not {expects}"));
        }
        parsed
    }

    /// A number in `range`. A wrong or missing one is a problem and answers the start of the range.
    pub fn number<T>(&mut self, key: &Key, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let expects = format!("a number from {} to {}", range.start(), range.end());
        let number = self.parse::<T>(key, &expects);
        match self.require(key, number) {
            Some(number) if range.contains(&number) => number,
            Some(number) => {
                self.problem(key, format!("`{number}` is not {expects}"));
                *range.start()
            }
            None => *range.start(),
        }
    }

    /// `true` or `false` (`1 0 yes no on off` too). A wrong or missing one is a problem and answers `false`.
    pub fn flag(&mut self, key: &Key) -> bool {
        let flag = self.parse::<Flag>(key, "`true` or `false`");
        self.require(key, flag).is_some_and(|flag| flag.0)
    }

    /// An `http` or `https` address of another system, without user, query and fragment. In production
    /// plain `http` only to loopback or to what `ALLOW_PLAINTEXT` lists.
    pub fn address(&mut self, key: &Key) -> Option<Url> {
        let text = self.text(key)?;
        let Some(url) = transport::parse_address(&text) else {
            self.problem(
                key,
                "is not an address such as https://host:port, without user, query and fragment",
            );
            return None;
        };
        if url.scheme() == "http" {
            self.refuse_plaintext(key, &url);
        }
        Some(url)
    }

    /// A file that must be there and readable.
    pub fn file(&mut self, key: &Key) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(key)?);
        match File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) if metadata.is_dir() => {
                let shown = shown(&path.to_string_lossy());
                self.problem(key, format!("{shown} is a folder, not a file"));
            }
            Ok(_) => {}
            Err(error) => {
                let shown = shown(&path.to_string_lossy());
                self.problem(key, format!("{shown} cannot be read: {}", error.kind()));
            }
        }
        Some(path)
    }

    /// A limit, `count/seconds`. A wrong one is a problem and answers one a second.
    pub fn limit(&mut self, key: &Key) -> Limit {
        let limit = self.parse(
            key,
            "`count/seconds`, both whole numbers from 1, seconds at most 86400",
        );
        self.require(key, limit).unwrap_or(Limit::ONE_A_SECOND)
    }

    /// Reports `key` as missing when `value` is `None` and nothing else is wrong with it.
    pub fn require<T>(&mut self, key: &Key, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.is_faulty(key) {
            let names = self.names(key);
            let [name, rest @ ..] = names.as_slice() else {
                return value;
            };
            let mut text = "is missing".to_owned();
            if let Some(alone) = rest.first() {
                text.push_str(&format!(" (or {alone})"));
            }
            if let Some(example) = key.example.filter(|_| !key.secret) {
                text.push_str(&format!(", for instance `{example}`"));
            }
            self.report(name.clone(), text);
        }
        value
    }

    /// Remembers a problem with `key`. No secret may be in `text`.
    pub fn problem(&mut self, key: &Key, text: impl Into<String>) {
        let name = self.found_name(key);
        self.report(name, text);
    }

    /// Remembers what is wrong with `key` but does not keep the program from starting. No secret may be in `text`.
    pub fn warn(&mut self, key: &Key, text: impl Into<String>) {
        let warning = Problem {
            key: self.found_name(key),
            text: text.into(),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Returns what is to be logged as soon as there is a logger.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        self.warnings.clone()
    }

    /// Ends the reading: also reports unknown keys.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub fn finish(mut self) -> Result<(), ConfigErrors> {
        if let Some(text) = self.peek(&keys::APP_ENV).map(ToOwned::to_owned)
            && !matches!(text.as_str(), "production" | "development")
        {
            let shown = shown(&text);
            self.problem(
                &keys::APP_ENV,
                format!("{shown} is not `production` or `development`"),
            );
        }
        for problem in unknown::find(&self.values) {
            self.report(problem.key, problem.text);
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ConfigErrors {
            problems: self.problems,
        })
    }

    /// Reports the plain connection of `key` to `url`'s host, in production, unless it is allowed.
    pub(crate) fn refuse_plaintext(&mut self, key: &Key, url: &Url) {
        let host = url.host_str().unwrap_or_default().to_owned();
        self.refuse_plaintext_host(key, &host, url.port_or_known_default(), "is not encrypted");
    }

    pub(crate) fn refuse_plaintext_host(
        &mut self,
        key: &Key,
        host: &str,
        port: Option<u16>,
        what: &str,
    ) {
        let allowed = self.peek(&keys::ALLOW_PLAINTEXT).unwrap_or_default();
        if self.app_env().is_production() && !transport::may_be_plain(host, port, allowed) {
            let text = format!("{what}; encrypt it, or list the host in ALLOW_PLAINTEXT");
            self.problem(key, text);
        }
    }

    pub(crate) fn report(&mut self, name: impl Into<String>, text: impl Into<String>) {
        let problem = Problem {
            key: name.into(),
            text: text.into(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn set(&mut self, name: String, text: String, origin: Origin) {
        let text = Zeroizing::new(text);
        self.values.entry(name).or_insert(Value { text, origin });
    }
}

struct Flag(bool);

impl FromStr for Flag {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Self(true)),
            "false" | "0" | "no" | "off" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}
