//! config.toml. A configuration that imgurd accepts can be changed, and is still accepted after that.
#![no_main]

mod bounds;

use std::cell::LazyCell;
use std::fs;

use bounds::bounded;
use imgurd::config::{AccountConfig, Config, ConfigFile, parse};
use imgurd_proto::{Error, Settings};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

thread_local! {
    /// In memory if possible, so that no input waits for a disk.
    static DIRECTORY: LazyCell<TempDir> =
        LazyCell::new(|| TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a directory"));
}

fuzz_target!(|text: &str| bounded(|| read(text)));

fn read(text: &str) {
    let Ok(config) = parse(text) else { return };
    for account in config.accounts.values() {
        let again = AccountConfig::new(account.settings(), account.policy)
            .expect("settings that were read are valid");
        assert_eq!(again, **account);
    }
    DIRECTORY.with(|directory| change(text, directory));
}

fn change(text: &str, directory: &TempDir) {
    let file = ConfigFile::new(directory.path().join("config.toml"));
    fs::write(file.path(), text).expect("the file can be written");
    let settings = Settings { client_id: Some("fuzz".to_owned()), ..Settings::default() };
    if check(&file, file.add("fuzz", &settings, true)) {
        let scope = Settings { scope: Some("all [\"]\\".to_owned()), ..Settings::default() };
        assert!(check(&file, file.set("fuzz", &scope, false)));
        assert!(check(&file, file.remove("fuzz")));
    }
}

/// Whether the change was made. If so, the file must contain the returned configuration.
fn check(file: &ConfigFile, changed: Result<Config, Error>) -> bool {
    let is_done = changed.is_ok();
    if let Ok(config) = changed {
        assert_eq!(file.load().expect("a file that imgurd wrote can be read"), config);
    }
    is_done
}
