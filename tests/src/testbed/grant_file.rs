//! The encrypted file of grants, read and written by another program that has the key.

use std::fs;
use std::path::PathBuf;

use oo7::file::{Item, UnlockedKeyring};

use super::{Testbed, in_time};

/// The file's items. While the daemon runs, each write is that of another program.
#[derive(Debug)]
pub struct GrantFile {
    file: PathBuf,
    key: PathBuf,
}

impl Testbed {
    /// What [a bed with a file store](Self::file) keeps its grants in.
    pub fn grant_file(&self) -> GrantFile {
        GrantFile {
            file: self.state_home().join("imgurd/grants.keyring"),
            key: self.config_home().join("imgurd/key"),
        }
    }
}

impl GrantFile {
    /// The file.
    pub fn file(&self) -> &PathBuf {
        &self.file
    }

    /// What is kept for `account`.
    pub fn get(&self, account: &str) -> Option<String> {
        in_time(async {
            match self.open().await.lookup_item(&attributes(account)).await.unwrap()? {
                Item::Unlocked(item) => Some(String::from_utf8(item.secret().as_bytes().to_vec()).unwrap()),
                Item::Locked(_) => None,
            }
        })
    }

    /// Keeps `text` for `account`, in a file that takes the place of the old one.
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
