//! The pictures of the documents, which `make pictures` makes with the real programs and the fake Imgur.

mod desktop;
mod pages;
mod svg;
mod terminal;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

pub use terminal::terminal;

use crate::repository;

/// A picture of a program's output.
#[derive(Debug)]
pub struct Picture {
    /// Its path in the repository.
    pub file: &'static str,
    /// The files that decide what it shows. The terminal's picture has none, because a test makes it again and
    /// compares.
    pub sources: &'static [&'static str],
    take: fn() -> Vec<u8>,
}

/// All pictures.
pub const PICTURES: [Picture; 4] = [
    Picture { file: "ctl/pictures/terminal.svg", sources: &[], take: || terminal().into_bytes() },
    Picture {
        file: "daemon/pictures/signed-in.png",
        sources: &[
            "daemon/src/consent/page.rs",
            "daemon/src/consent/page.html",
            "daemon/src/consent/page.css",
        ],
        take: pages::signed_in,
    },
    Picture {
        file: "daemon/pictures/gateway.png",
        sources: &["daemon/src/gateway/page.rs", "daemon/src/gateway/page.css"],
        take: pages::gateway,
    },
    Picture {
        file: "daemon/pictures/notification.png",
        sources: &["daemon/src/notify/notice.rs"],
        take: desktop::notification,
    },
];

impl Picture {
    /// Makes the picture, and saves it with the hashes of its sources.
    pub fn save(&self) {
        let file = repository().join(self.file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, (self.take)()).unwrap();
        if !self.sources.is_empty() {
            fs::write(self.sums_file(), self.sums()).unwrap();
        }
    }

    /// The hashes of its sources, in the format of sha256sum(1).
    pub fn sums(&self) -> String {
        let mut sums = String::new();
        for source in self.sources {
            let bytes =
                fs::read(repository().join(source)).unwrap_or_else(|error| panic!("{source}: {error}"));
            for byte in Sha256::digest(bytes) {
                write!(sums, "{byte:02x}").unwrap();
            }
            writeln!(sums, "  {source}").unwrap();
        }
        sums
    }

    /// The file with the hashes of the sources that the picture was made from.
    pub fn sums_file(&self) -> PathBuf {
        repository().join(self.file).with_extension("sha256")
    }
}
