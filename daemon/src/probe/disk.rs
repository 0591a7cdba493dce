//! Checks whether imgurd can save in its directory for state: free space, free inodes, quota, and a file that is written as grants are.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use imgurd_proto::Finding;
use imgurd_proto::text::cause;
use rustix::fs::statvfs;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::{durable, random};

const CHECK: &str = "disk";

/// A disk that has stopped must not stop the other checks.
const PATIENCE: Duration = Duration::from_secs(5);

/// imgurd itself needs less, but other programs fill a disk with so little space at any moment, in bytes.
const LITTLE: u64 = 10 * 1024 * 1024;
/// The same for inodes.
const FEW: u64 = 100;
/// The length of a small encrypted file, in bytes.
const LEAST: u64 = 16 * 1024;

pub(super) async fn look(state: &Path) -> Finding {
    let directory = state.to_owned();
    let looking = spawn_blocking(move || check(&directory));
    match timeout(PATIENCE, looking).await {
        Ok(found) => found.unwrap_or_else(|error| failed(state, &error.to_string(), "restart imgurd")),
        Err(_) => failed(state, "the disk does not answer", "check the disk and the kernel's log"),
    }
}

fn check(state: &Path) -> Finding {
    if let Err(error) = write(state) {
        return failed(state, &cause(&error), hint(&error));
    }
    let shown = state.display();
    let Ok(free) = statvfs(state) else {
        return Finding::ok(CHECK, format!("imgurd can write in {shown}"));
    };
    let bytes = free.f_bavail.saturating_mul(free.f_frsize);
    // Some file systems have no fixed number of inodes, and report zero.
    if free.f_files > 0 && free.f_favail < FEW {
        let detail = format!("The file system of {shown} has only {} free inodes", free.f_favail);
        return Finding::warn(CHECK, detail, "delete files there that you do not need");
    }
    if bytes < LITTLE {
        let detail = format!("The file system of {shown} has only {} KiB of free space", bytes / 1024);
        return Finding::warn(CHECK, detail, "delete files there that you do not need");
    }
    Finding::ok(CHECK, format!("imgurd can write in {shown}, and there is free space"))
}

/// Writes a file as long as the encrypted file, and deletes it. The free space says nothing about a quota.
fn write(state: &Path) -> io::Result<()> {
    let longest = fs::metadata(state.join("grants.keyring")).map_or(0, |found| found.len()).max(LEAST);
    let file = state.join(format!("doctor-{}", random::hex::<8>()));
    let written = durable::replace(&file, &vec![0; usize::try_from(longest).unwrap_or_default()]);
    written.and_then(|()| fs::remove_file(&file))
}

fn failed(state: &Path, reason: &str, hint: &str) -> Finding {
    let detail =
        format!("imgurd cannot save new tokens, because it cannot write in {} ({reason})", state.display());
    Finding::fail(CHECK, detail, hint)
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull => {
            "delete files on that disk that you do not need; `df -h` and `df -i` show what is left"
        }
        ErrorKind::QuotaExceeded => "delete files of yours that you do not need, or have your quota raised",
        ErrorKind::ReadOnlyFilesystem => {
            "make the file system writable; the kernel makes it read-only after a disk error (`journalctl -k`)"
        }
        ErrorKind::PermissionDenied => "make the directory yours and writable with `chown` and `chmod`",
        _ => "check the disk and the directory",
    }
}
