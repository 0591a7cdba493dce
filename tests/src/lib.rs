//! The support of imgurd's tests: a [fake Imgur](fake), a [scripted browser](browser) and a [real one](chromium) for
//! consent, a [testbed] that runs the real daemon and client in its own directories, and a [soak] test that does so
//! many times.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::print_stderr,
    reason = "this is test support: a panic is how it says that a test failed, and waiting is done for its own sake"
)]

pub mod bench;
pub mod browser;
pub mod chaos;
pub mod chromium;
pub mod columns;
mod dice;
pub mod fake;
pub mod http;
pub mod own_client;
pub mod pictures;
pub mod relay;
pub mod sentences;
pub mod soak;
pub mod stranger;
pub mod testbed;
pub mod tls;
pub mod wire;

use std::path::Path;

/// The root of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
