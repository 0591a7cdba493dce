//! Text sealed with a passphrase, in the format of the program `age` (<https://age-encryption.org/v1>), so that whoever
//! has the passphrase needs no imgurctl to open it.

mod armor;
mod header;

use imgurd_proto::Secret;
use orion::errors::UnknownCryptoError;
use orion::hazardous::aead::chacha20poly1305::{self, Nonce, SecretKey};
use orion::hazardous::kdf::hkdf;

use self::header::Header;

/// The binary logarithm of scrypt's cost where nobody says otherwise: 128 MiB, and a fraction of a second.
pub(crate) const WORK: u8 = 17;

/// The longest text, which has to fit into one chunk.
const LONGEST: usize = 64 * 1024;

/// What authenticates a chunk.
const TAG: usize = 16;

/// The nonce of the first chunk where it is the last one as well.
const ONLY_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Why a text cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unopened {
    /// The key in the header does not come out.
    #[error("the passphrase is wrong, or the first lines of the text are damaged; try again")]
    WrongPassphrase,
    /// The key does, and the rest does not fit it.
    #[error("the text is damaged: a part of it is missing, or was changed; copy it whole, or export it anew")]
    Damaged,
    /// It is for a version to come.
    #[error(
        "the text is of a version that this imgurctl does not know; update it, or open the text with `age -d`"
    )]
    OtherVersion,
    /// It was sealed with something else.
    #[error("the text is not sealed with a passphrase; open it with `age -d`, and import what comes out")]
    NotForPassphrase,
}

/// Whether this is what [`seal`] makes.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.trim_start().starts_with(armor::BEGIN)
}

/// Seals `text`; fails where there are no random numbers, or where it is too long.
pub(crate) fn seal(text: &Secret, passphrase: &Secret, work: u8) -> Result<String, UnknownCryptoError> {
    let text = text.expose().as_bytes();
    let (mut file_key, mut nonce) = ([0; header::FILE_KEY], [0; 16]);
    orion::util::secure_rand_bytes(&mut file_key)?;
    orion::util::secure_rand_bytes(&mut nonce)?;
    let mut sealed = header::seal(&file_key, passphrase, work)?;
    sealed.extend_from_slice(&nonce);
    if text.len() > LONGEST {
        return Err(UnknownCryptoError);
    }
    let mut chunk = vec![0; text.len() + TAG];
    let nonce_of_chunk = Nonce::from_slice(&ONLY_CHUNK)?;
    chacha20poly1305::seal(&payload_key(&file_key, &nonce)?, &nonce_of_chunk, text, None, &mut chunk)?;
    sealed.extend(chunk);
    Ok(armor::encode(&sealed))
}

/// Opens what was sealed.
pub(crate) fn open(text: &str, passphrase: &Secret) -> Result<Secret, Unopened> {
    let sealed = armor::decode(text).ok_or(Unopened::Damaged)?;
    let (header, payload) = Header::parse(&sealed)?;
    let file_key = header.open(passphrase)?;
    open_payload(&file_key, payload).ok_or(Unopened::Damaged)
}

fn open_payload(file_key: &[u8], payload: &[u8]) -> Option<Secret> {
    let (nonce, chunk) = payload.split_at_checked(16)?;
    let length = chunk.len().checked_sub(TAG).filter(|length| *length <= LONGEST)?;
    let mut text = vec![0; length];
    let nonce_of_chunk = Nonce::from_slice(&ONLY_CHUNK).ok()?;
    let key = payload_key(file_key, nonce).ok()?;
    chacha20poly1305::open(&key, &nonce_of_chunk, chunk, None, &mut text).ok()?;
    String::from_utf8(text).ok().map(Secret::from)
}

fn payload_key(file_key: &[u8], nonce: &[u8]) -> Result<SecretKey, UnknownCryptoError> {
    let mut key = [0; 32];
    hkdf::sha256::derive_key(nonce, file_key, Some(b"payload"), &mut key)?;
    SecretKey::from_slice(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: u8 = 4;

    fn sealed() -> String {
        seal(&"a grant".into(), &"correct horse".into(), QUICK).expect("sealed")
    }

    #[test]
    fn what_was_sealed_is_opened_with_its_passphrase_alone() {
        let text = sealed();
        assert!(is_sealed(&text) && is_sealed(&format!("\n  {text}")) && !is_sealed("a grant"));
        assert!(!text.contains("a grant"));
        assert_eq!(open(&text, &"correct horse".into()).expect("opened").expose(), "a grant");
        assert_eq!(open(&text, &"correct horsf".into()).err(), Some(Unopened::WrongPassphrase));
        assert_ne!(text, sealed(), "the same is never sealed twice alike");
    }

    #[test]
    fn what_pasting_does_to_lines_does_no_harm() {
        let text = sealed();
        for text in
            [text.replace('\n', "\r\n"), format!("\n\n{}", text.trim_end()), text.replace('\n', "  \n  ")]
        {
            assert!(open(&text, &"correct horse".into()).is_ok(), "{text}");
        }
    }

    #[test]
    fn nothing_that_was_cut_or_changed_is_taken_for_whole() {
        let text = sealed();
        let bytes = armor::decode(&text).expect("armored");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&armor::encode(&changed), &"correct horse".into()).is_err(), "byte {at}");
            assert!(open(&armor::encode(&bytes[..at]), &"correct horse".into()).is_err(), "up to {at}");
        }
        let last = bytes.len() - 1;
        assert_eq!(
            open(&armor::encode(&bytes[..last]), &"correct horse".into()).err(),
            Some(Unopened::Damaged)
        );
        for cut in 0..text.trim_end().len() {
            assert!(open(&text[..cut], &"correct horse".into()).is_err(), "up to {cut}");
        }
    }

    #[test]
    fn says_what_else_it_may_be() {
        let open_header = |header: &str| open(&armor::encode(header.as_bytes()), &"p".into()).err();
        let key = "A".repeat(43);
        for (header, expected) in [
            (format!("age-encryption.org/v2\n-> x\n{key}\n--- {key}\n"), Unopened::OtherVersion),
            (
                format!("age-encryption.org/v1\n-> X25519 {key}\n{key}\n--- {key}\n"),
                Unopened::NotForPassphrase,
            ),
            // 2^63 blocks would take all memory there is.
            (
                format!("age-encryption.org/v1\n-> scrypt {} 63\n{key}\n--- {key}\n", "A".repeat(22)),
                Unopened::Damaged,
            ),
            ("nonsense".into(), Unopened::Damaged),
        ] {
            assert_eq!(open_header(&header), Some(expected), "{header}");
        }
    }
}
