//! A secret in a memory file: handed over as a descriptor, it is in no message.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use imgurd_proto::Secret;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use zbus::OwnedFd;

/// A memory file with `secret` in it and nothing after, that nobody can change any more.
///
/// # Errors
/// Where there are no more descriptors to be had.
pub(super) fn sealed(secret: &Secret) -> io::Result<OwnedFd> {
    let file = File::from(memfd_create("imgurd-token", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    // At an offset rather than onwards: who reads begins where the shared position is.
    file.write_all_at(secret.expose().as_bytes(), 0)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(OwnedFd::from(std::os::fd::OwnedFd::from(file)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn what_is_handed_over_can_be_read_and_not_changed() {
        let file: std::os::fd::OwnedFd = sealed(&Secret::from("fake-token")).unwrap().into();
        let mut file = File::from(file);
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "fake-token");
        assert!(file.write(b"x").is_err());
        assert!(file.set_len(0).is_err());
    }
}
