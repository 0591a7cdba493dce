//! The journal's file as fuzzers see it.

use std::io;
use std::path::PathBuf;

use imgurd_proto::JournalEntry;

use super::file::JournalFile;

/// A journal's file, whatever is in it.
#[derive(Debug)]
pub struct File(JournalFile);

impl File {
    /// The file at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(JournalFile::new(path))
    }

    /// Reads all entries back, the oldest first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(&self) -> io::Result<Vec<JournalEntry>> {
        self.0.read()
    }

    /// Writes `entries` down.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn append(&self, entries: &[JournalEntry]) -> io::Result<()> {
        self.0.append(entries)
    }
}
