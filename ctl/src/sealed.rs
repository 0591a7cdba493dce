//! Text sealed with a passphrase: Argon2i derives the key and XChaCha20-Poly1305 seals, both in the high-level form of
//! `orion`. The result is hexadecimal digits between two lines, so that it can be pasted.

use imgurd_proto::Secret;
use imgurd_proto::text::cause;
use orion::aead::{self, SecretKey};
use orion::errors::UnknownCryptoError;
use orion::kdf::{self, Password, Salt};
use orion::util::secure_rand_bytes;

use crate::failure::Failure;

const BEGIN: &str = "-----BEGIN IMGURD EXPORT-----";
const END: &str = "-----END IMGURD EXPORT-----";

const BYTES_A_LINE: usize = 32;

/// The first byte. It determines the cost of the key derivation, so that no text can require too much memory.
const VERSION: u8 = 1;
const PASSES: u32 = 3;
const MEMORY_KIB: u32 = 64 * 1024;

const SALT: usize = 16;

/// Why a text cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unopened {
    #[error("the passphrase is wrong or the export is damaged; try again, or repeat `imgurctl export`")]
    WrongPassphrase,
    #[error("the export is incomplete or damaged; copy the whole text, or repeat `imgurctl export`")]
    Damaged,
    #[error("a newer imgurctl made this export; update imgurctl on this machine")]
    OtherVersion,
}

pub(crate) fn is_sealed(text: &str) -> bool {
    text.contains(BEGIN) || text.contains(END)
}

/// Seals a text. Fails if there are no random numbers.
pub(crate) fn seal(text: &Secret, passphrase: &Secret) -> Result<String, UnknownCryptoError> {
    let salt = Salt::default();
    let sealed = aead::seal(&key(passphrase, &salt)?, text.expose().as_bytes())?;
    Ok(armor(&[&[VERSION], salt.as_ref(), &sealed].concat()))
}

pub(crate) fn open(text: &str, passphrase: &Secret) -> Result<Secret, Unopened> {
    let bytes = unarmor(text).ok_or(Unopened::Damaged)?;
    let (version, rest) = bytes.split_first().ok_or(Unopened::Damaged)?;
    if *version != VERSION {
        return Err(Unopened::OtherVersion);
    }
    let (salt, sealed) = rest.split_at_checked(SALT).ok_or(Unopened::Damaged)?;
    let salt = Salt::from_slice(salt).map_err(|_| Unopened::Damaged)?;
    let key = key(passphrase, &salt).map_err(|_| Unopened::Damaged)?;
    let opened = aead::open(&key, sealed).map_err(|_| Unopened::WrongPassphrase)?;
    String::from_utf8(opened).map(Secret::from).map_err(|_| Unopened::Damaged)
}

fn key(passphrase: &Secret, salt: &Salt) -> Result<SecretKey, UnknownCryptoError> {
    let password = Password::from_slice(passphrase.expose().as_bytes())?;
    kdf::derive_key(&password, salt, PASSES, MEMORY_KIB, 32)
}

/// `BYTES` random bytes, as two digits each.
pub(crate) fn random_hexadecimal<const BYTES: usize>() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    secure_rand_bytes(&mut bytes).map_err(|error| {
        Failure::Other(format!(
            "the system provides no random bytes: {error}; try again",
            error = cause(&error)
        ))
    })?;
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn armor(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| hexadecimal(bytes) + "\n";
    format!("{BEGIN}\n{}{END}\n", bytes.chunks(BYTES_A_LINE).map(line).collect::<String>())
}

/// Ignores what pasting adds: spaces and line ends, a mail's `>` before each line, and text before and after.
fn unarmor(text: &str) -> Option<Vec<u8>> {
    let (digits, _) = text.split_once(BEGIN)?.1.split_once(END)?;
    let digits: Vec<_> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'>').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> String {
        seal(&"a grant".into(), &"correct horse".into()).expect("sealed")
    }

    #[test]
    fn opens_only_with_the_right_passphrase() {
        let text = sealed();
        assert!(is_sealed(&text) && is_sealed(&format!("\n  {text}")) && !is_sealed("a grant"));
        assert_eq!(open(&text, &"correct horse".into()).expect("opened").expose(), "a grant");
        assert_eq!(open(&text, &"correct horsf".into()).err(), Some(Unopened::WrongPassphrase));
        assert_ne!(text, sealed(), "two exports of the same text are equal");
    }

    #[test]
    fn ignores_spaces_and_line_ends_added_by_pasting() {
        let text = sealed();
        for text in [text.replace('\n', "\r\n"), format!("\n\n  {}", text.trim_end().replace('\n', "  \n  "))]
        {
            assert!(open(&text, &"correct horse".into()).is_ok(), "{text}");
        }
    }

    #[test]
    fn finds_an_export_in_a_mail() {
        let text = sealed();
        let quoted = format!("> {}", text.trim_end().replace('\n', "\r\n> "));
        for text in [quoted, format!("Hello,\nhere it is:\n{text}\n-- \nme\n")] {
            assert!(is_sealed(&text) && open(&text, &"correct horse".into()).is_ok(), "{text}");
        }
        let (_, end) = text.split_at(text.len() / 2);
        assert!(is_sealed(end) && open(end, &"correct horse".into()).err() == Some(Unopened::Damaged));
    }

    #[test]
    fn refuses_truncated_or_changed_text() {
        let text = sealed();
        let bytes = unarmor(&text).expect("armored");
        for at in [1, 1 + SALT, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let opened = open(&armor(&changed), &"correct horse".into());
            assert_eq!(opened.err(), Some(Unopened::WrongPassphrase), "byte {at}");
            assert!(open(&armor(&bytes[..at]), &"correct horse".into()).is_err(), "cut after {at} bytes");
        }
        for cut in [0, BEGIN.len(), text.len() / 2, text.trim_end().len() - 1] {
            assert_eq!(
                open(&text[..cut], &"correct horse".into()).err(),
                Some(Unopened::Damaged),
                "cut after {cut} bytes"
            );
        }
    }

    #[test]
    fn distinguishes_a_later_version_from_damage() {
        let mut bytes = unarmor(&sealed()).expect("armored");
        bytes[0] = VERSION + 1;
        assert_eq!(open(&armor(&bytes), &"correct horse".into()).err(), Some(Unopened::OtherVersion));
    }
}
