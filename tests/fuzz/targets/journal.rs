//! The lines of the journal. Entries that are read can be written and read again. Other lines do not affect later
//! entries.
#![no_main]

mod bounds;

use std::cell::LazyCell;
use std::fs;

use bounds::bounded;
use imgurd::access::journal::parse;
use imgurd::fuzzing::{append_to_journal, read_journal};
use imgurd_proto::JournalEntry;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// An entry that is appended to the input.
const NEXT: &[u8] = br#"{"at":1,"count":1,"outcome":"granted","account":"next","wire":"socket","application":"unknown","sandboxed":false,"uid":0}"#;

thread_local! {
    /// In memory if possible, so that no input waits for a disk.
    static DIRECTORY: LazyCell<TempDir> =
        LazyCell::new(|| TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a directory"));
}

fuzz_target!(|text: &[u8]| bounded(|| read(text)));

fn read(text: &[u8]) {
    let entries: Vec<_> = parse(text).collect();
    assert_eq!(parse(&lines(&entries)).collect::<Vec<_>>(), entries);
    DIRECTORY.with(|directory| go_on(text, entries, directory));
}

fn lines(entries: &[JournalEntry]) -> Vec<u8> {
    let line = |entry| serde_json::to_vec(entry).expect("an entry that was read can be written");
    entries.iter().map(line).collect::<Vec<_>>().join(&b'\n')
}

fn go_on(text: &[u8], mut entries: Vec<JournalEntry>, directory: &TempDir) {
    let path = directory.path().join("journal");
    fs::write(&path, text).expect("the file can be written");
    assert_eq!(read_journal(path.clone()).expect("the journal can be read"), entries);
    let next: Vec<_> = parse(NEXT).collect();
    assert_eq!(next.len(), 1);
    append_to_journal(path.clone(), &next).expect("the journal can be written");
    entries.extend(next);
    assert_eq!(read_journal(path).expect("the journal can be read"), entries);
}
