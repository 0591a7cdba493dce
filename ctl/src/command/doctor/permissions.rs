//! Owners and permissions of the files.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use imgurd_proto::Finding;
use rustix::process::getuid;
use toml_edit::{DocumentMut, Item};

use crate::files::{self, Files};

const CHECK: &str = "files";

/// Permissions that no other user may have.
const OURS_ALONE: u32 = 0o077;
/// The same, if others may read.
const OURS_TO_WRITE: u32 = 0o022;

pub(super) fn check(files: &Files, socket: &Path) -> Vec<Finding> {
    let key = key(files);
    let places: BTreeMap<_, _> = places(files, key.as_deref(), socket).into_iter().collect();
    let mut found: Vec<_> = places
        .into_iter()
        .filter_map(|(path, forbidden)| check_path(&path, forbidden))
        .chain(missing_key(files, key.as_deref()))
        .chain(former_remote(socket))
        .collect();
    if found.is_empty() {
        found.push(Finding::ok(CHECK, "Owners and permissions of your files and sockets are correct"));
    }
    found
}

/// The socket for other machines at its former path.
fn former_remote(socket: &Path) -> Option<Finding> {
    let former = socket.with_file_name("remote");
    let is_there = socket.ends_with("imgurd/socket") && fs::symlink_metadata(&former).is_ok();
    is_there.then(|| {
        let shown = former.display();
        let detail = format!("Sandboxed programs may have access to {shown}, which imgurd no longer uses");
        let remedy = format!(
            "delete it, use {} in RemoteForward, and restart imgurd-remote.socket",
            "$XDG_RUNTIME_DIR/imgurd-remote/socket"
        );
        Finding::warn(CHECK, detail, remedy)
    })
}

/// The key's path. An invalid configuration is reported by another check.
fn key(files: &Files) -> Option<PathBuf> {
    let config: DocumentMut = files::read(&files.config).ok()?.parse().ok()?;
    let wants_one = config.get("store").and_then(Item::as_str) == Some("file");
    wants_one.then(|| files.key_file(&config))
}

/// Paths that may exist, and the permissions that others must not have.
fn places(files: &Files, key: Option<&Path>, socket: &Path) -> Vec<(PathBuf, u32)> {
    let mut places = vec![(files.config.clone(), OURS_TO_WRITE)];
    places.extend(files.config.parent().map(|directory| (directory.to_owned(), OURS_TO_WRITE)));
    places.extend(key.map(|key| (key.to_owned(), OURS_ALONE)));
    places.push((socket.to_owned(), OURS_ALONE));
    for file in [&files.grants, socket] {
        // A socket given by --socket may be in a directory that is not ours.
        let Some(directory) = file.parent().filter(|directory| directory.ends_with("imgurd")) else {
            continue;
        };
        places.push((directory.to_owned(), OURS_ALONE));
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        places.extend(entries.map(|entry| (entry.path(), OURS_ALONE)));
    }
    places
}

fn check_path(path: &Path, forbidden: u32) -> Option<Finding> {
    let metadata = fs::symlink_metadata(path).ok()?;
    // A symlink has no mode of its own, and config.toml may be one.
    let metadata = if metadata.is_symlink() { fs::metadata(path).ok()? } else { metadata };
    let shown = path.display();
    if metadata.uid() != getuid().as_raw() {
        let detail = format!("{shown} belongs to another user");
        return Some(Finding::fail(CHECK, detail, "delete it, or change its owner with `chown`"));
    }
    (metadata.mode() & forbidden != 0).then(|| {
        let (may, remedy) = if forbidden == OURS_ALONE { ("access", "go-rwx") } else { ("write", "go-w") };
        Finding::fail(
            CHECK,
            format!("Other users may {may} {shown}"),
            format!("run `chmod {remedy} {shown}`"),
        )
    })
}

fn missing_key(files: &Files, key: Option<&Path>) -> Option<Finding> {
    let key = key?;
    let is_missing = fs::symlink_metadata(key).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    (is_missing && files.grants.exists()).then(|| {
        let detail = format!("The key of your grants, {}, is missing", key.display());
        Finding::warn(
            CHECK,
            detail,
            "restore it from your backup, unless systemd passes the key as a credential",
        )
    })
}
