//! Looks keys up and collects what is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt,
    fs::File,
    io::Read as _,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use url::Url;

use crate::{
    AppEnv, ConfigErrors, Key, KeyRing, Limit, Problem, Scope, keys, placeholder, transport,
    unknown,
};

/// Largest secret file that is read.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Where a value was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Environment,
    DotEnv,
}

pub(crate) struct Value {
    text: Zeroizing<String>,
    pub(crate) origin: Origin,
}

/// A value and the full name under which it was found.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) text: Zeroizing<String>,
}

/// Reads keys, and remembers every problem until [`Loader::finish`]. A faulty value never stops it: what is
/// answered instead is of no use but lets the rest be read.
pub struct Loader {
    values: BTreeMap<String, Value>,
    /// Names set to something that is not UTF-8.
    not_text: BTreeSet<String>,
    problems: Vec<Problem>,
    /// Key material seen so far, to find one that has two uses.
    material: Vec<(String, Zeroizing<Vec<u8>>)>,
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
            loader.read_dotenv(path);
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

    /// A secret, from the key itself or the file that `<name>_FILE` names. Placeholders are refused.
    pub fn secret(&mut self, key: &Key) -> Option<SecretString> {
        let found = self.find(key)?;
        if placeholder::is_placeholder(&found.text) {
            self.report(
                found.name,
                "is a placeholder; set a secret made for this purpose",
            );
            return None;
        }
        Some(found.text.as_str().into())
    }

    /// Key material of at least `min` bytes: a secret that must not serve two purposes.
    pub(crate) fn key_material(&mut self, key: &Key, min: usize) -> Option<SecretString> {
        let secret = self.secret(key)?;
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < min {
            self.problem(key, format!("is shorter than {min} bytes"));
            return None;
        }
        self.remember(key.name.to_string(), bytes);
        Some(secret)
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

    /// A ring of 32-byte keys.
    pub fn key_ring(&mut self, key: &Key) -> Option<KeyRing> {
        let found = self.find(key)?;
        match found.text.parse::<KeyRing>() {
            Ok(ring) => {
                for (id, bytes) in ring.iter() {
                    self.remember(format!("{} ({id})", found.name), bytes);
                }
                Some(ring)
            }
            Err(error) => {
                self.report(found.name, error.to_string());
                None
            }
        }
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

    /// The value under the names of `key`, none if it is unset or unusable (then there is a problem).
    pub(crate) fn find(&mut self, key: &Key) -> Option<Found> {
        for name in self.names(key) {
            let file_name = format!("{name}_FILE");
            let direct = self.value(&name);
            let file = self.value(&file_name).filter(|_| key.secret);
            if self.not_text.contains(&name) {
                self.report(name, "is not UTF-8");
                return None;
            }
            match (direct, file) {
                (None, None) => {}
                (Some(text), None) => {
                    if text.chars().any(char::is_control) {
                        self.report(name, "has a control character in it");
                        return None;
                    }
                    return Some(Found { name, text });
                }
                (None, Some(path)) => {
                    let text = self.read_secret(&file_name, Path::new(path.as_str()))?;
                    return Some(Found { name, text });
                }
                (Some(_), Some(_)) => {
                    self.report(name, format!("is set twice: remove it or {file_name}"));
                    return None;
                }
            }
        }
        None
    }

    /// Whether `key` is set at all, right or wrong.
    pub(crate) fn is_set(&self, key: &Key) -> bool {
        self.names(key).iter().any(|name| {
            let file = key.secret.then(|| format!("{name}_FILE"));
            self.value(name).is_some()
                || self.not_text.contains(name)
                || file.is_some_and(|file| self.value(&file).is_some())
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

    fn remember(&mut self, name: String, bytes: &[u8]) {
        if self.material.iter().any(|(other, _)| *other == name) {
            return;
        }
        let twin = self
            .material
            .iter()
            .find(|(_, seen)| seen.as_slice() == bytes);
        if let Some((other, _)) = twin {
            let text = format!("is the same key as {other}; no key has two uses");
            self.report(name.clone(), text);
        }
        self.material.push((name, Zeroizing::new(bytes.to_vec())));
    }

    fn set(&mut self, name: String, text: String, origin: Origin) {
        let text = Zeroizing::new(text);
        self.values.entry(name).or_insert(Value { text, origin });
    }

    fn read_dotenv(&mut self, path: &Path) {
        let file = shown(&path.to_string_lossy());
        let text = match std::fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Zeroizing::new(text),
            Ok(Err(_)) => return self.report(file, "is not UTF-8"),
            Err(error) => return self.report(file, format!("cannot be read: {}", error.kind())),
        };
        let mut seen = BTreeSet::new();
        for item in dotenvy::from_read_iter(text.trim_start_matches('\u{feff}').as_bytes()) {
            match item {
                Ok((name, value)) => {
                    if !seen.insert(name.clone()) {
                        self.report(name.clone(), format!("is set twice in {file}"));
                    }
                    self.set(name, value, Origin::DotEnv);
                }
                // The error holds the line or its value, which may be a secret: only the number is told.
                Err(dotenvy::Error::LineParse(line, _)) => {
                    let rest = line.lines().next().unwrap_or_default().trim();
                    let number = text
                        .lines()
                        .position(|l| !rest.is_empty() && l.trim().ends_with(rest));
                    let place = number.map_or_else(String::new, |n| format!(" {}", n + 1));
                    self.report(
                        file.clone(),
                        format!(
                            "line{place} is not NAME=value (quote values that have spaces or #)"
                        ),
                    );
                }
                Err(_) => self.report(file.clone(), "cannot be read"),
            }
        }
    }

    fn read_secret(&mut self, name: &str, path: &Path) -> Option<Zeroizing<String>> {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = File::open(path)
            .and_then(|file| file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes));
        let file = shown(&path.to_string_lossy());
        let complaint = match (read, std::str::from_utf8(&bytes)) {
            (Err(error), _) => format!("{file} cannot be read: {}", error.kind()),
            (Ok(n), _) if n as u64 > MAX_SECRET_FILE => format!("{file} is over 64 KiB"),
            (Ok(_), Err(_)) => format!("{file} is not UTF-8"),
            (Ok(_), Ok(text)) => {
                // Editors and `echo` end a file with a line break that is no part of the secret.
                let text = text.strip_suffix('\n').unwrap_or(text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    format!("{file} is empty")
                } else if text.chars().any(char::is_control) {
                    format!("{file} has a control character or a second line in it")
                } else {
                    return Some(Zeroizing::new(text.to_owned()));
                }
            }
        };
        self.report(name, complaint);
        None
    }

    fn value(&self, name: &str) -> Option<Zeroizing<String>> {
        let value = self.values.get(name).filter(|v| !v.text.is_empty())?;
        Some(value.text.clone())
    }

    /// The value of a shared key without any complaint.
    fn peek(&self, key: &Key) -> Option<&str> {
        let value = self.values.get(key.name.as_ref())?;
        Some(value.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The names `key` goes by here, the first wins.
    fn names(&self, key: &Key) -> Vec<String> {
        let mut names = vec![key.name.to_string()];
        if let Scope::PerService { alone: Some(alone) } = key.scope
            && !self.standalone
            && key.name != alone
        {
            names.push(alone.to_owned());
        }
        names
    }

    /// The name under which `key` is set, else its first.
    fn found_name(&self, key: &Key) -> String {
        self.names(key)
            .into_iter()
            .find(|name| {
                self.value(name).is_some() || self.value(&format!("{name}_FILE")).is_some()
            })
            .unwrap_or_else(|| key.name.to_string())
    }

    fn is_faulty(&self, key: &Key) -> bool {
        let names = self.names(key);
        self.problems.iter().any(|problem| {
            let stem = problem.key.strip_suffix("_FILE").unwrap_or(&problem.key);
            names
                .iter()
                .any(|name| name == stem || *name == problem.key)
        })
    }
}

/// A value for an error message: escaped, and cut to 64 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(64).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("`{}`", cut.escape_debug())
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

impl Value {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}
