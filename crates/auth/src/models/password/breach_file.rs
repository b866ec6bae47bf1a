//! A file of passwords known from breaches, as the Pwned Passwords downloader writes it: a line for each, the SHA-1
//! in upper-case hex, `:`, how often it was seen; sorted; LF or CRLF. Tens of gigabytes: it is searched by bisection
//! where it lies, some thirty reads for a password.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// Hex digits of a SHA-1.
pub const DIGITS: usize = 40;
/// A line with its end is not longer: 40 digits, a colon, a count of 20 digits, CRLF.
const MAX_LINE: u64 = 63;
/// How many lines are looked at when it is opened.
const SAMPLES: u64 = 1024;

/// The open file.
#[derive(Debug)]
pub struct BreachFile {
    path: PathBuf,
    file: File,
}

/// The file is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum BreachFileError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Read(PathBuf, io::Error),
    /// Something in it is no line of such a list.
    #[error("{0} has something else than `SHA-1:count` at byte {1}")]
    Line(PathBuf, u64),
    /// Lines are not in the order of their hashes.
    #[error("{0} is not sorted by hash: look before byte {1}")]
    NotSorted(PathBuf, u64),
    /// Nothing is in it.
    #[error("{0} is empty")]
    Empty(PathBuf),
}

/// A line: its hash, and where it begins and the next one does.
struct Line {
    start: u64,
    end: u64,
    hash: [u8; DIGITS],
}

impl BreachFile {
    /// Opens it, and looks at a thousand lines throughout: each must be one, and behind the one before.
    ///
    /// # Errors
    /// [`BreachFileError`].
    pub fn open(path: &Path) -> Result<Self, BreachFileError> {
        let read = |error| BreachFileError::Read(path.to_owned(), error);
        let opened = Self {
            path: path.to_owned(),
            file: File::open(path).map_err(read)?,
        };
        let len = opened.len()?;
        if len == 0 {
            return Err(BreachFileError::Empty(path.to_owned()));
        }
        let mut last: Option<Line> = None;
        for sample in 0..=SAMPLES {
            // The last sample is the last byte.
            let offset = u128::from(len - 1) * u128::from(sample) / u128::from(SAMPLES);
            let line = opened.line_at(u64::try_from(offset).unwrap_or(len - 1))?;
            if let Some(last) = &last
                && last.start < line.start
                && last.hash >= line.hash
            {
                return Err(BreachFileError::NotSorted(path.to_owned(), line.start));
            }
            last = Some(line);
        }
        Ok(opened)
    }

    /// Whether the hash with these upper-case hex digits is in it.
    ///
    /// # Errors
    /// [`BreachFileError::Read`] and [`BreachFileError::Line`].
    pub fn contains(&self, hash: &[u8; DIGITS]) -> Result<bool, BreachFileError> {
        // Both are beginnings of lines; the one that is looked for lies between.
        let (mut low, mut high) = (0, self.len()?);
        while low < high {
            let line = self.line_at(low + (high - low) / 2)?;
            match line.hash.cmp(hash) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = line.end,
                std::cmp::Ordering::Greater => high = line.start,
            }
        }
        Ok(false)
    }

    fn len(&self) -> Result<u64, BreachFileError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|e| BreachFileError::Read(self.path.clone(), e))?;
        Ok(metadata.len())
    }

    /// The line that the byte at `offset` belongs to.
    fn line_at(&self, offset: u64) -> Result<Line, BreachFileError> {
        let bad = || BreachFileError::Line(self.path.clone(), offset);
        let from = offset.saturating_sub(MAX_LINE);
        let mut window = [0; 2 * MAX_LINE as usize];
        let len = self
            .read(from, &mut window)
            .map_err(|e| BreachFileError::Read(self.path.clone(), e))?;
        let at = usize::try_from(offset - from).map_err(|_| bad())?;
        let (before, rest) = window
            .get(..len)
            .and_then(|window| window.split_at_checked(at))
            .ok_or_else(bad)?;
        let start = match before.iter().rposition(|b| *b == b'\n') {
            Some(newline) => newline + 1,
            None if from == 0 => 0,
            None => return Err(bad()),
        };
        // The last line may have no end.
        let end = match rest.iter().position(|b| *b == b'\n') {
            Some(newline) => at + newline + 1,
            None if len < window.len() => len,
            None => return Err(bad()),
        };
        let line = window.get(start..end).unwrap_or_default();
        Ok(Line {
            start: from + start as u64,
            end: from + end as u64,
            hash: parse(line).ok_or_else(bad)?,
        })
    }

    /// Fills `buffer` from `offset` on as far as the file goes; how far that is.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// The hash of a line with its end.
fn parse(line: &[u8]) -> Option<[u8; DIGITS]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (hash, rest) = line.split_first_chunk::<DIGITS>()?;
    let count = rest.strip_prefix(b":")?;
    let is_hash = hash.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    let is_count = !count.is_empty() && count.iter().all(u8::is_ascii_digit);
    (is_hash && is_count).then_some(*hash)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn hash(number: u64) -> String {
        format!(
            "{:08X}{:032X}",
            number.wrapping_mul(2_654_435_761) % (1 << 32),
            number
        )
    }

    fn digits(text: &str) -> [u8; DIGITS] {
        text.as_bytes().try_into().unwrap()
    }

    fn write(text: &str) -> (tempfile::NamedTempFile, Result<BreachFile, String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let opened = BreachFile::open(file.path()).map_err(|error| error.to_string());
        (file, opened)
    }

    fn list(numbers: &[u64], end: &str, last_end: &str) -> String {
        let mut hashes: Vec<_> = numbers.iter().map(|n| hash(*n)).collect();
        hashes.sort_unstable();
        let mut text = String::new();
        for (index, hash) in hashes.iter().enumerate() {
            let end = if index + 1 == hashes.len() {
                last_end
            } else {
                end
            };
            // Counts of all lengths.
            write!(text, "{hash}:{}{end}", 10_u64.pow((index % 8) as u32)).unwrap();
        }
        text
    }

    #[test]
    fn every_line_is_found_and_nothing_between_them() {
        for (end, last_end) in [("\n", "\n"), ("\r\n", "\r\n"), ("\n", ""), ("\r\n", "")] {
            for count in [1, 2, 3, 10, 1000] {
                let numbers: Vec<u64> = (0..count).map(|n| 2 * n).collect();
                let (_file, opened) = write(&list(&numbers, end, last_end));
                let opened = opened.unwrap();
                for number in numbers {
                    assert!(opened.contains(&digits(&hash(number))).unwrap(), "{number}");
                    let other = digits(&hash(number + 1));
                    assert!(!opened.contains(&other).unwrap(), "{number}");
                }
                for outside in ["0".repeat(39) + "1", "F".repeat(40)] {
                    assert!(!opened.contains(&digits(&outside)).unwrap());
                }
            }
        }
    }

    #[test]
    fn what_is_no_such_list_is_refused() {
        let numbers: Vec<u64> = (0..100).collect();
        let good = list(&numbers, "\n", "\n");
        assert!(write(&good).1.is_ok());
        let mut lines: Vec<&str> = good.lines().collect();
        lines.swap(10, 90);
        for (bad, word) in [
            (String::new(), "empty"),
            ("\n".to_owned(), "something else"),
            ("no list\n".to_owned(), "something else"),
            (good.to_lowercase(), "something else"),
            (good.replace(':', " "), "something else"),
            (format!("{good}\n"), "something else"),
            (format!("{}:\n", hash(1)), "something else"),
            // NTLM hashes, as the other download has them.
            (
                format!("{}:1\n", "A".repeat(32)).repeat(100),
                "something else",
            ),
            ("A".repeat(100_000), "something else"),
            (lines.join("\n"), "not sorted"),
            (
                good.lines().rev().collect::<Vec<_>>().join("\n"),
                "not sorted",
            ),
        ] {
            let error = write(&bad).1.unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let error = BreachFile::open(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"));
    }

    #[test]
    fn a_file_of_gigabytes_is_not_read() {
        // A hole of 4 TiB, which would take hours.
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 42).unwrap();
        assert!(BreachFile::open(file.path()).is_err());
    }

    proptest! {
        #[test]
        fn it_says_what_a_set_says(
            present in prop::collection::btree_set(0..400_u64, 1..200),
            asked in prop::collection::vec(0..400_u64, 1..50),
        ) {
            let numbers: Vec<u64> = present.iter().copied().collect();
            let (_file, opened) = write(&list(&numbers, "\r\n", "\r\n"));
            let opened = opened.unwrap();
            for number in asked {
                let found = opened.contains(&digits(&hash(number))).unwrap();
                prop_assert_eq!(found, present.contains(&number));
            }
        }

        #[test]
        fn no_content_makes_it_panic_or_run_for_ever(content in prop::collection::vec(any::<u8>(), 0..300)) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &content).unwrap();
            // Also past the check at the start.
            let unchecked = BreachFile {
                path: file.path().to_owned(),
                file: File::open(file.path()).unwrap(),
            };
            let _ = BreachFile::open(file.path());
            let _ = unchecked.contains(&digits(&hash(7)));
        }
    }
}
