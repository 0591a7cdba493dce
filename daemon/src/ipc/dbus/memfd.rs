//! A secret in a memory file: imgurd passes only its file descriptor, so no message contains the secret.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use imgurd_proto::Secret;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use zbus::OwnedFd;

/// A memory file that contains exactly `secret` and that nobody can change.
///
/// # Errors
/// If there are no more file descriptors.
pub(super) fn sealed(secret: &Secret) -> io::Result<OwnedFd> {
    let file = File::from(memfd_create("imgurd-token", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    // Write at an offset, so that the shared position stays at the beginning for the reader.
    file.write_all_at(secret.expose().as_bytes(), 0)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(OwnedFd::from(std::os::fd::OwnedFd::from(file)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn the_sealed_file_can_be_read_but_not_changed() {
        let file: std::os::fd::OwnedFd = sealed(&Secret::from("fake-token")).unwrap().into();
        let mut file = File::from(file);
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "fake-token");
        assert!(file.write(b"x").is_err());
        assert!(file.set_len(0).is_err());
    }
}
