//! The encrypted file of grants, used by another program that has the key.

use std::fs;
use std::path::PathBuf;

use oo7::file::{Item, UnlockedKeyring};

use super::{Testbed, in_time};

/// The items of the file. While the daemon runs, the test writes to the file as another program would.
#[derive(Debug)]
pub struct GrantFile {
    file: PathBuf,
    key: PathBuf,
}

impl Testbed {
    /// The file of [a testbed with the file store](Self::file).
    pub fn grant_file(&self) -> GrantFile {
        GrantFile {
            file: self.state_home().join("imgurd/grants.keyring"),
            key: self.config_home().join("imgurd/key"),
        }
    }
}

impl GrantFile {
    /// The path of the file.
    pub fn file(&self) -> &PathBuf {
        &self.file
    }

    /// The record of `account`.
    pub fn get(&self, account: &str) -> Option<String> {
        in_time(async {
            match self.open().await.lookup_item(&attributes(account)).await.unwrap()? {
                Item::Unlocked(item) => Some(String::from_utf8(item.secret().as_bytes().to_vec()).unwrap()),
                Item::Locked(_) => None,
            }
        })
    }

    /// Replaces the file by one in which `text` is the record of `account`.
    pub fn put(&self, account: &str, text: &str) {
        in_time(async {
            let label = format!("imgurd: {account}");
            let (keyring, attributes) = (self.open().await, attributes(account));
            keyring.create_item(&label, &attributes, oo7::Secret::blob(text), true).await.unwrap();
        });
    }

    async fn open(&self) -> UnlockedKeyring {
        let key = fs::read_to_string(&self.key).unwrap();
        UnlockedKeyring::load(&self.file, oo7::Secret::text(key.trim())).await.unwrap()
    }
}

fn attributes(account: &str) -> [(&'static str, &str); 2] {
    [("service", "imgurd"), ("username", account)]
}
