//! The trusted certificate authorities: the system's, and those in the file that an account's `ca_file` names.
//!
//! imgurd reads the system's authorities one by one, and keeps only what it needs to check a signature. The library that usually
//! finds them holds all of them in memory twice. That would be most of the memory of a refresh, and little of it would be
//! freed.

use std::path::{Path, PathBuf};
use std::{env, fs};

use imgurd_proto::text::cause;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};

/// The system's authorities: those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name (`openssl-env(7)`), else those of the
/// distribution. Skips everything that is not a certificate.
pub(super) fn of_the_system() -> RootCertStore {
    let (file, directories) = places();
    let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let entries = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file());
    let mut authorities = RootCertStore::empty();
    for file in file.into_iter().chain(entries) {
        let certificates = CertificateDer::pem_file_iter(file).into_iter().flatten();
        // After an error, the reader would return the same error again.
        let certificates = certificates.take_while(|it| !matches!(it, Err(PemError::Io(_))));
        certificates.flatten().for_each(|certificate| take_in(&mut authorities, certificate));
    }
    authorities
}

fn places() -> (Option<PathBuf>, Vec<PathBuf>) {
    let (file, directories) = (env::var_os("SSL_CERT_FILE"), env::var_os("SSL_CERT_DIR"));
    if file.is_some() || directories.is_some() {
        let directories = directories.map(|them| env::split_paths(&them).collect());
        return (file.map(PathBuf::from), directories.unwrap_or_default());
    }
    let found = openssl_probe::probe();
    (found.cert_file, found.cert_dir)
}

/// Adds a certificate. Most are both in the file and in a directory.
fn take_in(authorities: &mut RootCertStore, certificate: CertificateDer<'_>) {
    let is_new = authorities.add(certificate).is_ok();
    if is_new && authorities.roots.split_last().is_some_and(|(last, others)| others.contains(last)) {
        authorities.roots.pop();
    }
}

/// The longest file of certificates, in bytes. Those of all public authorities together take 220,000.
const LONGEST: u64 = 4 << 20;

/// The certificates in `file` (PEM), at least one.
///
/// # Errors
/// The problem with them, as the beginning of a sentence.
pub(super) fn read(file: &Path) -> Result<RootCertStore, String> {
    let shown = file.display();
    let unread = |error: &dyn std::fmt::Display| {
        format!("imgurd cannot read the certificates in {shown} ({error})", error = cause(&error))
    };
    // A device has no end, and a pipe blocks when it is opened.
    let about = fs::metadata(file).map_err(|error| unread(&error))?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(unread(&"it is not a file of at most 4 MiB"));
    }
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| unread(&error))?;
    if found.is_empty() {
        return Err(format!("{shown} contains no PEM certificate"));
    }
    let mut authorities = RootCertStore::empty();
    for certificate in found {
        authorities.add(certificate).map_err(|error| unread(&error))?;
    }
    Ok(authorities)
}

/// Checks the certificates in `file`.
///
/// # Errors
/// The problem, as the beginning of a sentence.
pub fn check(file: &Path) -> Result<(), String> {
    read(file).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_file_without_certificates() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        let said = |text: &str| {
            std::fs::write(&file, text).unwrap();
            check(&file).unwrap_err()
        };
        let name = file.display().to_string();
        let broken = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n";
        for text in ["", "nothing", broken, "-----BEGIN CERTIFICATE-----\n*\n"] {
            let said = said(text);
            assert!(said.contains(&name), "{text:?}: {said}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(check(&file).unwrap_err().contains(&name));
    }

    #[test]
    fn rejects_devices_pipes_and_huge_files() {
        let directory = tempfile::tempdir().unwrap();
        let (pipe, long) = (directory.path().join("pipe"), directory.path().join("long"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        std::fs::File::create(&long).unwrap().set_len(LONGEST + 1).unwrap();
        for path in [Path::new("/dev/zero"), &pipe, &long, directory.path()] {
            assert!(check(path).unwrap_err().contains("at most 4 MiB"), "{}", path.display());
        }
    }
}
