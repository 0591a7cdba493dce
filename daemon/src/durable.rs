//! Files that survive a crash of the machine.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;

/// Creates the directory of `path`, for its owner only, if it does not exist.
pub(crate) fn make_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Replaces the content of the file `path`, which only its owner can read. After a crash the file has the old content
/// or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with_mode(path, content, 0o600)
}

/// Like [`replace`], with `content` as JSON for people.
pub(crate) fn replace_json(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(content)?;
    text.push(b'\n');
    replace(path, &text)
}

/// Like [`replace`], with these permissions.
pub(crate) fn replace_with_mode(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    make_directory_of(path)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let new = path.with_file_name([OsStr::new("."), name, OsStr::new(".new")].join(OsStr::new("")));
    let _ = fs::remove_file(&new); // left by a crash
    let written = write(&new, content, mode).and_then(|()| rename(&new, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

/// Renames within one directory, and makes the new name durable. fsync(2) of the file alone does not.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let is_first = !to.exists();
    fs::rename(from, to)?;
    let directory = to.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(directory)?.sync_all()?;
    match directory.parent().filter(|_| is_first) {
        // The directory may be as new as the file, so its own name must become durable too.
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
