//! The journal on disk: one JSON object per line, in a current and an older file. Refusals have two separate files, so they
//! never displace entries about tokens that imgurd handed out.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use imgurd_proto::{JournalEntry, Outcome};

use crate::ownership::open_own;

pub(super) const LIMIT: u64 = 1024 * 1024;

/// The journal's path. Each write opens the file, so it can be moved away at any time.
#[derive(Clone, Debug)]
pub(crate) struct JournalFile(PathBuf);

impl JournalFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn refusals(&self) -> PathBuf {
        self.0.with_added_extension("refused")
    }

    /// Appends these entries. Granted and denied entries are in separate files; imgurd writes all entries of
    /// a file or none.
    pub(crate) fn append(&self, entries: &[JournalEntry]) -> io::Result<()> {
        let (denied, granted): (Vec<_>, _) =
            entries.iter().partition(|entry| entry.outcome == Outcome::Denied);
        let written = append(&self.0, &granted);
        append(&self.refusals(), &denied).and(written)
    }

    /// All entries, the oldest first. Files of an earlier version contain refusals among the other entries.
    pub(crate) fn read(&self) -> io::Result<Vec<JournalEntry>> {
        Ok(merged(read(&self.0)?, read(&self.refusals())?))
    }
}

/// The path of the older file.
fn older(path: &Path) -> PathBuf {
    path.with_added_extension("old")
}

fn append(path: &Path, entries: &[&JournalEntry]) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, entry)?;
        text.push(b'\n');
    }
    let mut file = writable(path)?;
    let mut size = file.metadata()?.len();
    if size > 0 && size + text.len() as u64 > LIMIT {
        fs::rename(path, older(path))?;
        file = writable(path)?;
        size = 0;
    }
    if !ends_a_line(&file, size)? {
        // A crash of the machine can leave an incomplete line. A line break keeps it apart from the next
        // entry.
        text.insert(0, b'\n');
    }
    file.write_all(&text).inspect_err(|_| drop(file.set_len(size)))
}

fn read(path: &Path) -> io::Result<Vec<JournalEntry>> {
    let mut entries = Vec::new();
    for path in [&older(path), path] {
        match open_own(path, OpenOptions::new().read(true)) {
            Ok(file) => {
                let mut text = Vec::new();
                file.take(LIMIT).read_to_end(&mut text)?;
                entries.extend(parse(&text));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

/// Merges two lists by time. Each list keeps its own order, in which an entry may follow one that began
/// later.
fn merged(some: Vec<JournalEntry>, others: Vec<JournalEntry>) -> Vec<JournalEntry> {
    let mut all = Vec::with_capacity(some.len() + others.len());
    let mut others = others.into_iter().peekable();
    for entry in some {
        while let Some(earlier) = others.next_if(|other| other.at < entry.at) {
            all.push(earlier);
        }
        all.push(entry);
    }
    all.extend(others);
    all
}

/// The entries in `text`, one per line. Skips lines that are not entries, which a crash or a newer daemon may leave.
pub fn parse(text: &[u8]) -> impl Iterator<Item = JournalEntry> {
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

fn writable(path: &Path) -> io::Result<File> {
    let file = open_own(path, OpenOptions::new().create(true).read(true).append(true).mode(0o600))?;
    if file.metadata()?.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn ends_a_line(file: &File, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}
