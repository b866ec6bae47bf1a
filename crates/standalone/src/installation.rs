//! Keeps together what belongs together in `DATA_DIR`: the databases and key rings of one installation, written down in the file
//! `installation` in it. A start with one of them lost, damaged or from elsewhere is refused, before anything is made in its
//! place: a new key beside old data opens nothing, and an empty database beside others has forgotten what they rely on.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use ud_config::KeyRing;
use ud_db::{FileState, file_state, gather_file, mark_file};
use ud_http::StartError;
use ud_kernel::Service;
use ud_seal::{Place, Sealer};

/// Name of the list.
const LIST: &str = "installation";
/// How it begins.
const HEAD: &str = "# The files of this installation (docs/RUNBOOK.md, \"A file of DATA_DIR is lost\"). A start without one of them is\n\
                    # refused. Whoever removes a line allows the next start to take, or to make, another file of that name.\n";
/// Folder of the key rings.
const KEYS: &str = "keys";

/// The list, and where it is.
#[derive(Debug)]
pub(crate) struct Installation {
    folder: PathBuf,
    /// Every database has it as its mark; never 0.
    mark: i32,
    /// Names below the folder; of a key ring with what its keys open.
    files: BTreeMap<String, Option<String>>,
}

impl Installation {
    /// Compares what is in `folder` with its list. `expected`: what an installation from before there was a list must have.
    /// Where nothing is there at all, an installation begins.
    ///
    /// # Errors
    /// Exit code 78, with every file that is not as it should be.
    pub(crate) fn examine(folder: &Path, expected: &[String]) -> Result<Self, StartError> {
        let list = folder.join(LIST);
        let read = match fs::read_to_string(&list) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&list, &error.to_string())),
        };
        let found = match read {
            Some(text) => Self::parse(folder, &text)
                .ok_or_else(|| unreadable(&list, "it is not as it was written"))?,
            None if databases(folder).is_empty() && rings(folder).is_empty() => {
                let begun = Self {
                    folder: folder.to_owned(),
                    mark: new_mark(),
                    files: BTreeMap::new(),
                };
                // Before anything else: a first start that is interrupted goes on at the second.
                begun.write()?;
                return Ok(begun);
            }
            None => {
                log::warn!(
                    "{}: not there; it is made again of what the files say",
                    list.display()
                );
                Self::of_files(folder, expected)
            }
        };
        found.check()?;
        Ok(found)
    }

    /// Writes down what there is now, when every service has its files.
    ///
    /// # Errors
    /// If a file cannot be marked or the list not be written.
    pub(crate) fn settle(&mut self) -> Result<(), StartError> {
        let mut files = BTreeMap::new();
        for name in databases(&self.folder) {
            let path = self.folder.join(&name);
            if file_state(&path) != FileState::Marked(self.mark) {
                mark_file(&path, self.mark)
                    .map_err(|e| StartError::internal(format!("{}: {e}", path.display())))?;
                // The mark and the tables, into the file itself; if somebody reads just now, a later stop does it.
                let _ = gather_file(&path);
            }
            files.insert(name, None);
        }
        for name in rings(&self.folder) {
            let path = self.folder.join(&name);
            let sealer = ring(&path).map_err(|e| not_as_it_should_be(&self.folder, &[e]))?;
            let sealed = sealer.seal(place(&name), &self.mark.to_be_bytes());
            // What its keys open already stays as it is: the list is written when something changed.
            let known = self.files.get(&name).cloned().flatten();
            let known = known.filter(|known| sealer.reseal(place(&name), known) == Ok(None));
            let sealed = match known {
                Some(known) => known,
                None => sealed.map_err(StartError::internal)?,
            };
            files.insert(name, Some(sealed));
        }
        if files != self.files || !self.folder.join(LIST).exists() {
            self.files = files;
            self.write()?;
        }
        Ok(())
    }

    /// After the last request: each database is one file then, and what SQLite keeps beside it may be lost.
    pub(crate) fn gather(&self) {
        for name in databases(&self.folder) {
            let path = self.folder.join(name);
            if let Err(error) = gather_file(&path) {
                log::warn!("{}: {error}", path.display());
            }
        }
    }

    fn parse(folder: &Path, text: &str) -> Option<Self> {
        let mut mark = None;
        let mut files = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, rest) = line
                .split_once(' ')
                .map_or((line, None), |(n, r)| (n, Some(r)));
            if name == "id" {
                mark = rest
                    .and_then(|rest| rest.parse().ok())
                    .filter(|mark| *mark != 0);
            } else if name.rsplit_once(".db") == Some((name.trim_end_matches(".db"), ""))
                && !name.contains('/')
                || name
                    .strip_prefix("keys/")
                    .is_some_and(|ring| !ring.is_empty() && !ring.contains('/'))
            {
                files.insert(name.to_owned(), rest.map(ToOwned::to_owned));
            } else {
                return None;
            }
        }
        Some(Self {
            folder: folder.to_owned(),
            mark: mark?,
            files,
        })
    }

    /// Without a list: the mark that most databases have, and what has to be there.
    fn of_files(folder: &Path, expected: &[String]) -> Self {
        let mut votes: BTreeMap<i32, usize> = BTreeMap::new();
        for name in databases(folder) {
            if let FileState::Marked(mark) = file_state(&folder.join(name)) {
                *votes.entry(mark).or_default() += usize::from(mark != 0);
            }
        }
        let most = votes
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .max_by_key(|(_, n)| *n);
        Self {
            folder: folder.to_owned(),
            mark: most.map_or_else(new_mark, |(mark, _)| mark),
            files: expected.iter().map(|name| (name.clone(), None)).collect(),
        }
    }

    fn check(&self) -> Result<(), StartError> {
        let is_listed = self.folder.join(LIST).exists();
        let mut wrong = Vec::new();
        let mut not_now = Vec::new();
        let mut foreign = 0;
        let mut marked = 0;
        for (name, sealed) in &self.files {
            let path = self.folder.join(name);
            let shown = path.display();
            if !name.starts_with(KEYS) {
                match file_state(&path) {
                    FileState::Gone => wrong.push(format!("{shown} is gone")),
                    FileState::Empty => wrong.push(format!("{shown} is empty")),
                    FileState::Damaged(why) => wrong.push(format!("{shown} is damaged: {why}")),
                    FileState::Unreadable(why) => {
                        not_now.push(format!("{shown} cannot be read now: {why}"));
                    }
                    FileState::Marked(0) if !is_listed => {}
                    FileState::Marked(mark) => {
                        marked += 1;
                        if mark != self.mark {
                            foreign += 1;
                            wrong.push(format!("{shown} is another file: of another installation, made anew, or of a back-up from before there was a list"));
                        }
                    }
                }
                continue;
            }
            match ring(&path) {
                Err(why) => wrong.push(why),
                Ok(sealer) => {
                    let opens = |sealed: &String| {
                        sealer
                            .open(place(name), sealed)
                            .is_ok_and(|id| *id == self.mark.to_be_bytes())
                    };
                    if !sealed.as_ref().is_none_or(opens) {
                        foreign += 1;
                        wrong.push(format!("{shown} holds none of the keys it held"));
                    }
                }
            }
        }
        if marked > 1 && foreign == self.files.len() {
            let list = self.folder.join(LIST);
            return Err(unreadable(&list, "it is the list of another installation"));
        }
        if wrong.is_empty() && !not_now.is_empty() {
            return Err(StartError::internal(format!(
                "{}. That is no damage: mend the cause and start again; nothing was changed",
                not_now.join("; ")
            )));
        }
        wrong.append(&mut not_now);
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(not_as_it_should_be(&self.folder, &wrong))
        }
    }

    fn write(&self) -> Result<(), StartError> {
        let path = self.folder.join(LIST);
        let mut text = format!("{HEAD}id {}\n", self.mark);
        for (name, sealed) in &self.files {
            text.push_str(name);
            if let Some(sealed) = sealed {
                text.push(' ');
                text.push_str(sealed);
            }
            text.push('\n');
        }
        let draft = self.folder.join(format!(".{LIST}"));
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        write().map_err(|e| StartError::internal(format!("{}: {e}", path.display())))
    }
}

/// Databases in `folder`, by name; a file of length 0 is none yet.
fn databases(folder: &Path) -> Vec<String> {
    names(folder, "", |path| {
        path.extension().is_some_and(|extension| extension == "db")
            && file_state(path) != FileState::Empty
    })
}

/// Key rings in `folder`, by name.
fn rings(folder: &Path) -> Vec<String> {
    names(&folder.join(KEYS), "keys/", |_| true)
}

fn names(folder: &Path, prefix: &str, is_one: impl Fn(&Path) -> bool) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_file() && is_one(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        // A draft that a crash left.
        .filter(|name| !name.starts_with('.'))
        .map(|name| format!("{prefix}{name}"))
        .collect()
}

/// The keys in `path`, or what is wrong with the file; never its text.
fn ring(path: &Path) -> Result<Sealer, String> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => secrecy::SecretString::from(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("{shown} is gone"));
        }
        Err(error) => return Err(format!("{shown} is damaged: {error}")),
    };
    let ring: KeyRing = secrecy::ExposeSecret::expose_secret(&text)
        .trim()
        .parse()
        .map_err(|error| format!("{shown} is damaged: it {error}"))?;
    // Whose sealer it is makes no difference: the place says what it is for.
    Ok(Sealer::new(Service::Auth, ring))
}

const fn place(name: &str) -> Place<'_> {
    Place {
        table: "installation",
        column: "file",
        row: name,
        purpose: "know a key ring again",
    }
}

/// Any but 0, which is no mark.
fn new_mark() -> i32 {
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    i32::from_be_bytes([a, b, c, d]) | 1
}

fn unreadable(list: &Path, why: &str) -> StartError {
    StartError::config(format!(
        "{}: {why}. Put it back from a back-up; or, if every other file of the folder is there, remove it: it is made again",
        list.display()
    ))
}

fn not_as_it_should_be(folder: &Path, wrong: &[String]) -> StartError {
    let list = folder.join(LIST);
    StartError::config(format!(
        "{}. Nothing was changed. Put back what belongs there, from a back-up of the same moment as the rest. To go on \
         without it, remove its line from {}, and the next start makes a new one; what that costs says docs/RUNBOOK.md, \
         \"A file of DATA_DIR is lost\". To begin anew, move the whole folder away",
        wrong.join("; "),
        list.display()
    ))
}
