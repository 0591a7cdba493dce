//! Those whom a person trusts to sign certificates besides the system's authorities, in a file of theirs.

use std::path::Path;

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates in `file` (PEM), one at least.
///
/// # Errors
/// What is wrong with them, as the beginning of a sentence.
pub(super) fn read(file: &Path) -> Result<Vec<Certificate>, String> {
    let shown = file.display();
    let unread =
        |error: &dyn std::fmt::Display| format!("the certificates in {shown} cannot be read ({error})");
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| unread(&error))?;
    if found.is_empty() {
        return Err(format!("there is no certificate in {shown}, which has to be in PEM form"));
    }
    found.into_iter().map(|certificate| authority(&certificate).map_err(|error| unread(&error))).collect()
}

/// Says what is wrong with the certificates in `file`, if anything is.
///
/// # Errors
/// As the beginning of a sentence.
pub fn check(file: &Path) -> Result<(), String> {
    read(file).map(drop)
}

/// rustls looks at it here, where it can still be told which file it came from.
fn authority(certificate: &CertificateDer<'static>) -> Result<Certificate, Box<dyn std::error::Error>> {
    RootCertStore::empty().add(certificate.clone())?;
    Ok(Certificate::from_der(certificate)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_certificate_is_named() {
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
}
