//! The file of permits. It is read, or counts as damaged and gives no answer.
#![no_main]

mod bounds;

use std::cell::LazyCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use bounds::bounded;
use imgurd::access::Permits;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

thread_local! {
    /// In memory if possible, so that no input waits for a disk.
    static DIRECTORY: LazyCell<TempDir> =
        LazyCell::new(|| TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a directory"));
}

fuzz_target!(|text: &[u8]| bounded(|| DIRECTORY.with(|directory| read(text, directory))));

fn read(text: &[u8], directory: &TempDir) {
    let path = directory.path().join("permits");
    fs::write(&path, text).expect("the file can be written");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("the mode can be changed");
    let permits = Permits::load(path);
    match permits.read() {
        Ok(all) => {
            for permit in all {
                assert_eq!(permits.get(&permit.application, &permit.account), Ok(Some(permit.allow)));
            }
        }
        Err(_) => assert!(permits.get("org.example.App", "me").is_err()),
    }
}
