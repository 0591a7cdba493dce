//! Searches for secrets where there must be none.

use std::fs;
use std::path::{Path, PathBuf};

use super::Output;

/// The commands whose standard output can contain the secret that the user asked for.
const MAY_SHOW: [&str; 5] = ["token", "reject", "exec", "curl", "gateway"];

/// The interpreters of other projects' clients, which get the token.
const CLIENT: &str = "python";

pub(super) fn assert_none(root: &Path, outputs: &[Output], secrets: &[String], allowed: &[&Path]) {
    for output in outputs {
        let command = output.command_line();
        let is_asked_for = output.program == CLIENT
            || output.arguments.iter().any(|argument| MAY_SHOW.contains(&argument.as_str()));
        assert_clean(output.stderr.as_bytes(), secrets, &format!("stderr of `{command}`"));
        if !is_asked_for {
            assert_clean(output.stdout.as_bytes(), secrets, &format!("stdout of `{command}`"));
        }
    }
    for file in files(root) {
        if !allowed.contains(&file.as_path()) {
            assert_clean(&fs::read(&file).unwrap(), secrets, &file.display().to_string());
        }
    }
}

/// Checks what everyone can read of a process and its children.
pub(super) fn assert_none_in_process(id: u32, secrets: &[String]) {
    for file in ["cmdline", "environ"] {
        // The daemon's files are closed to its own user, and so to everyone.
        let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        assert_clean(&bytes, secrets, &format!("/proc/PID/{file}"));
    }
    // If the kernel does not list children (CONFIG_PROC_CHILDREN), they are not checked.
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    for child in children.split_ascii_whitespace() {
        assert_none_in_process(child.parse().unwrap(), secrets);
    }
}

/// Fails if a secret is in `bytes`. Reports the place and the number of the secret, but not the secret.
fn assert_clean(bytes: &[u8], secrets: &[String], place: &str) {
    let text = String::from_utf8_lossy(bytes);
    let leak = secrets.iter().position(|secret| !secret.is_empty() && text.contains(secret));
    assert!(leak.is_none(), "secret number {leak:?} of the list is in {place}");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}
