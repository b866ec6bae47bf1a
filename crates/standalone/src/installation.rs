//! Keeps together what belongs together: the databases and key rings of one installation, written down in the file
//! `installation` of `DATA_DIR`. A start with one of them lost, damaged or from elsewhere is refused, before anything is
//! made in its place: a new key beside old data opens nothing, and an empty database beside others has forgotten what they
//! rely on.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ud_db::{FileState, file_state, gather_file, mark_file};
use ud_kernel::StartError;
use ud_seal::secret_file;

use crate::{
    kept::{Kept, Kind},
    ring::{self, Misread, associated_data},
};

/// Name of the list.
const LIST: &str = "installation";
/// How it begins.
const HEAD: &str = "# The files of this installation (docs/RUNBOOK.md, \"A file of DATA_DIR is lost\"). A start without one of them is\n\
                    # refused. Whoever removes a line allows the next start to take, or to make, another file of that name.\n";

/// The source of what is known of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Nothing was there: an installation begins.
    Nothing,
    /// A list that this program wrote.
    List,
    /// A list that somebody wrote, without `id`: what it names is there, and is taken as it is.
    Hand,
    /// The files alone: there is no list.
    Files,
}

/// The list, where it is, and the files that the configuration keeps.
#[derive(Debug)]
pub(crate) struct Installation {
    folder: PathBuf,
    kept: Vec<Kept>,
    origin: Origin,
    /// Every database has it as its mark; never 0.
    mark: i32,
    /// Names, of a key ring with what its keys open. What is not kept any more, or never was, stays and is not looked at.
    files: BTreeMap<String, Option<String>>,
}

impl Installation {
    /// Compares the files of `kept` with the list in `folder`. Changes nothing.
    ///
    /// # Errors
    /// Exit code 78, with every file that is not as it should be, and what to do; 70 where one cannot be read now.
    pub(crate) fn examine(folder: &Path, kept: Vec<Kept>) -> Result<Self, StartError> {
        let list = folder.join(LIST);
        let found = match fs::read_to_string(&list) {
            Ok(text) => Self::parse(folder, kept, &text)
                .ok_or_else(|| unreadable(&list, "it is not as it was written"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::unlisted(folder, kept),
            Err(error) => {
                return Err(match ring::misread(&list, &error) {
                    Misread::Wrong(_) => unreadable(&list, &error.to_string()),
                    Misread::NotNow(why) => not_now(&[why]),
                });
            }
        };
        found.check()?;
        if found.origin == Origin::Files {
            log::warn!(
                "{}: not there; it is made again of what the files say",
                list.display()
            );
        }
        Ok(found)
    }

    /// Returns the rings that an installation that begins is to make. Of the feed's a new one costs nothing.
    pub(crate) fn first_rings(&self) -> Vec<&Path> {
        let rings = self.kept.iter().filter(|kept| kept.kind == Kind::Ring);
        rings
            .filter(|ring| self.origin == Origin::Nothing && ring.is_old)
            .map(|ring| ring.path.as_path())
            .collect()
    }

    /// Writes the list of an installation that begins, before anything is made: a first start that is interrupted goes on
    /// at the second.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn begin(&self) -> Result<(), StartError> {
        match self.origin {
            Origin::Nothing => self.write(),
            Origin::List | Origin::Hand | Origin::Files => Ok(()),
        }
    }

    /// Writes down what there is now, when every service has its files. `rings_open`: the rings opened what the databases
    /// hold; another ring is not written down.
    ///
    /// # Errors
    /// If a file cannot be marked or the list not be written.
    pub(crate) fn settle(&mut self, rings_open: bool) -> Result<(), StartError> {
        let mut files = self.files.clone();
        for kept in &self.kept {
            match kept.kind {
                Kind::Database => {
                    if let FileState::Marked(mark) = file_state(&kept.path) {
                        self.mark_database(&kept.path, mark)?;
                        files.insert(kept.name.clone(), None);
                    }
                }
                Kind::Ring if rings_open && kept.path.exists() => {
                    let sealed = self.known_again(kept)?;
                    files.insert(kept.name.clone(), Some(sealed));
                }
                Kind::Ring => {}
            }
        }
        if files != self.files || self.origin != Origin::List {
            self.files = files;
            self.write()?;
            self.origin = Origin::List;
        }
        Ok(())
    }

    fn mark_database(&self, path: &Path, mark: i32) -> Result<(), StartError> {
        if mark != self.mark {
            mark_file(path, self.mark)
                .map_err(|e| StartError::internal(format!("{}: {e}", path.display())))?;
            // The mark and the tables, into the file itself; if somebody reads just now, a later stop does it.
            let _ = gather_file(path);
        }
        Ok(())
    }

    /// Returns that by which the ring will be known again. What its first key has sealed already stays as it is: the list
    /// is written when something changed.
    fn known_again(&self, kept: &Kept) -> Result<String, StartError> {
        let data = associated_data(&kept.name);
        let sealer = ring::read(&kept.path).map_err(|misread| match misread {
            Misread::Wrong(why) => StartError::config(why),
            Misread::NotNow(why) => not_now(&[why]),
        })?;
        let known = self.files.get(&kept.name).cloned().flatten();
        match known.filter(|known| sealer.rewrap(data, known) == Ok(None)) {
            Some(known) => Ok(known),
            None => sealer
                .seal(data, &self.mark.to_be_bytes())
                .map_err(StartError::internal),
        }
    }

    /// After the last request: each database is one file then, and what SQLite keeps beside it may be lost.
    pub(crate) fn gather(&self) {
        let databases = self.kept.iter().filter(|kept| kept.kind == Kind::Database);
        for Kept { path, .. } in databases.filter(|kept| is_begun(kept)) {
            if let Err(error) = gather_file(path) {
                log::warn!("{}: {error}", path.display());
            }
        }
    }

    fn parse(folder: &Path, kept: Vec<Kept>, text: &str) -> Option<Self> {
        let is_kept = |name: &str| kept.iter().any(|kept| kept.name == name);
        let mut mark = None;
        let mut files = BTreeMap::new();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for line in lines.filter(|line| !line.is_empty()) {
            if let Some(id) = line.strip_prefix("id ") {
                mark = Some(id.parse().ok().filter(|mark| *mark != 0)?);
                continue;
            }
            let (name, sealed) = ring_line(line).unwrap_or((line, None));
            // Files that were never kept, copies above all, are in lists that an earlier version wrote.
            let is_name = is_kept(name)
                || name.ends_with(".db")
                || name.starts_with("keys/")
                || name.starts_with('/');
            if !is_name {
                return None;
            }
            files.insert(name.to_owned(), sealed.map(ToOwned::to_owned));
        }
        let (origin, mark) = match mark {
            Some(mark) => (Origin::List, mark),
            None if !files.is_empty() && files.keys().all(|name| is_kept(name)) => {
                files.values_mut().for_each(|sealed| *sealed = None);
                (Origin::Hand, mark_of(&kept))
            }
            None => return None,
        };
        Some(Self {
            folder: folder.to_owned(),
            kept,
            origin,
            mark,
            files,
        })
    }

    /// Without a list: an installation that begins, or one that has to have what each has.
    fn unlisted(folder: &Path, kept: Vec<Kept>) -> Self {
        let is_new = !kept.iter().any(is_begun);
        let old = kept.iter().filter(|kept| kept.is_old && !is_new);
        Self {
            folder: folder.to_owned(),
            origin: if is_new {
                Origin::Nothing
            } else {
                Origin::Files
            },
            mark: mark_of(&kept),
            files: old.map(|kept| (kept.name.clone(), None)).collect(),
            kept,
        }
    }

    fn check(&self) -> Result<(), StartError> {
        let mut wrong = BTreeMap::new();
        let mut unread = Vec::new();
        let (mut listed, mut marked, mut foreign) = (0, 0, 0);
        for kept in &self.kept {
            let Some(sealed) = self.files.get(&kept.name) else {
                continue;
            };
            listed += 1;
            let shown = kept.path.display();
            let mut say = |text: String| {
                wrong.insert(kept.name.as_str(), text);
            };
            if kept.kind == Kind::Database {
                match file_state(&kept.path) {
                    FileState::Gone => say(format!("{shown} is gone")),
                    FileState::Empty => say(format!("{shown} is empty")),
                    FileState::Damaged(why) => say(format!("{shown} is damaged: {why}")),
                    FileState::Unreadable(why) => {
                        unread.push(format!("{shown} cannot be read now: {why}"));
                    }
                    FileState::Marked(_) if self.origin == Origin::Hand => {}
                    FileState::Marked(0) if self.origin == Origin::Files => {}
                    FileState::Marked(mark) => {
                        marked += 1;
                        if mark != self.mark {
                            foreign += 1;
                            say(format!(
                                "{shown} is another file: of another installation, made anew, or of a back-up from before there was a list"
                            ));
                        }
                    }
                }
                continue;
            }
            match ring::read(&kept.path) {
                Err(Misread::Wrong(why)) => say(why),
                Err(Misread::NotNow(why)) => unread.push(why),
                Ok(sealer) => {
                    let opens = |sealed: &String| {
                        sealer
                            .open(associated_data(&kept.name), sealed)
                            .is_ok_and(|id| *id == self.mark.to_be_bytes())
                    };
                    if !sealed.as_ref().is_none_or(opens) {
                        foreign += 1;
                        say(format!("{shown} holds none of the keys it held"));
                    }
                }
            }
        }
        if marked > 1 && foreign == listed && self.origin == Origin::List {
            let list = self.folder.join(LIST);
            return Err(unreadable(&list, "it is the list of another installation"));
        }
        // Before any advice about files: what cannot be read is not to be removed.
        if !unread.is_empty() {
            return Err(not_now(&unread));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(self.not_as_it_should_be(&wrong))
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
        secret_file::replace(&path, &text, secret_file::OWNER_ONLY)
            .map_err(|e| StartError::internal(format!("{}: {e}", path.display())))
    }

    fn not_as_it_should_be(&self, wrong: &BTreeMap<&str, String>) -> StartError {
        let list = self.folder.join(LIST).display().to_string();
        let texts: Vec<_> = wrong.values().map(String::as_str).collect();
        let good = self
            .files
            .keys()
            .filter(|name| !wrong.contains_key(name.as_str()));
        let good: Vec<_> = good.map(|name| quoted(name)).collect();
        let go_on = match self.origin {
            Origin::Files if good.is_empty() => {
                "To go on without these files, remove what is left of them: the next start makes new ones".to_owned()
            }
            Origin::Files => format!(
                "There is no list {list}: put that back, too, if there was one. To go on without these files, remove what \
                 is left of them, of a database also FILE-wal and FILE-shm, and write the list of what is to be taken as it \
                 is: printf '%s\\n' {} > {}. The next start makes new ones of the others",
                good.join(" "),
                quoted(&list)
            ),
            Origin::Nothing | Origin::List | Origin::Hand => format!(
                "To go on with a file as it is, remove its line from {list}. To go on without it, remove its line and the \
                 file, of a database also FILE-wal and FILE-shm: the next start makes a new one"
            ),
        };
        StartError::config(format!(
            "{}. Nothing was changed. Put back what belongs there, from a back-up of the same moment as the rest. {go_on}; \
             what that costs, and what else it takes, says docs/RUNBOOK.md, \"A file of DATA_DIR is lost\". To begin anew, \
             move all databases and the whole folder away",
            texts.join("; ")
        ))
    }
}

/// Returns whether there is such a file; a database of length 0 is none yet.
fn is_begun(kept: &Kept) -> bool {
    match kept.kind {
        Kind::Database => !matches!(file_state(&kept.path), FileState::Gone | FileState::Empty),
        Kind::Ring => kept.path.exists(),
    }
}

/// The mark that most of the databases have, or a new one.
fn mark_of(kept: &[Kept]) -> i32 {
    let mut votes: BTreeMap<i32, usize> = BTreeMap::new();
    for kept in kept.iter().filter(|kept| kept.kind == Kind::Database) {
        if let FileState::Marked(mark) = file_state(&kept.path)
            && mark != 0
        {
            *votes.entry(mark).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, n)| *n);
    most.map_or_else(new_mark, |(mark, _)| mark)
}

/// Name of a ring and what its keys open. Neither has a space.
fn ring_line(line: &str) -> Option<(&str, Option<&str>)> {
    let (name, sealed) = line.split_once(' ')?;
    let is_one = name.starts_with("keys/") && !sealed.contains(' ');
    is_one.then_some((name, Some(sealed)))
}

/// Any but 0, which is no mark.
fn new_mark() -> i32 {
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    i32::from_be_bytes([a, b, c, d]) | 1
}

fn not_now(unread: &[String]) -> StartError {
    StartError::internal(format!(
        "{}. That is no damage: mend the cause and start again; nothing was changed",
        unread.join("; ")
    ))
}

fn unreadable(list: &Path, why: &str) -> StartError {
    StartError::config(format!(
        "{}: {why}. Put it back from a back-up; or, if every other file of the folder is there, remove it: it is made again",
        list.display()
    ))
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
#[path = "installation_tests.rs"]
mod tests;
