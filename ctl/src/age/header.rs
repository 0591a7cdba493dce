//! The header: the key of the file, sealed with the passphrase, and what shows that all of it is as it was written.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use imgurd_proto::Secret;
use orion::errors::UnknownCryptoError;
use orion::hazardous::aead::chacha20poly1305::{self, Nonce, SecretKey};
use orion::hazardous::kdf::{hkdf, scrypt};
use orion::hazardous::mac::hmac::sha256::{self as hmac, HmacSha256};

use super::{TAG, Unopened};

/// The length of a file's key.
pub(super) const FILE_KEY: usize = 16;

const VERSION: &str = "age-encryption.org/v1";
const LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

/// The most work that a text may ask for: 1 GiB.
const MOST_WORK: u8 = 20;

/// A header, taken apart.
pub(super) struct Header<'a> {
    /// What the code at the end vouches for.
    signed: &'a [u8],
    code: Vec<u8>,
    salt: Vec<u8>,
    work: u8,
    wrapped: Vec<u8>,
}

/// The header of a file with this key.
pub(super) fn seal(file_key: &[u8], passphrase: &Secret, work: u8) -> Result<Vec<u8>, UnknownCryptoError> {
    let mut salt = [0; 16];
    orion::util::secure_rand_bytes(&mut salt)?;
    let mut wrapped = [0; FILE_KEY + TAG];
    let nonce = Nonce::from_slice(&[0; 12])?;
    chacha20poly1305::seal(&wrap_key(passphrase, &salt, work)?, &nonce, file_key, None, &mut wrapped)?;
    let (salt, wrapped) = (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(wrapped));
    let signed = format!("{VERSION}\n-> scrypt {salt} {work}\n{wrapped}\n---");
    let code = HmacSha256::hmac(&code_key(file_key)?, signed.as_bytes())?;
    let code = BASE64_STANDARD_NO_PAD.encode(code.unprotected_as_bytes());
    Ok(format!("{signed} {code}\n").into_bytes())
}

impl<'a> Header<'a> {
    /// Takes the header off a file, and returns what is behind it.
    pub(super) fn parse(file: &'a [u8]) -> Result<(Self, &'a [u8]), Unopened> {
        let (version, _) = line(file).ok_or(Unopened::Damaged)?;
        if version != VERSION {
            let is_later = version.starts_with("age-encryption.org/");
            return Err(if is_later { Unopened::OtherVersion } else { Unopened::Damaged });
        }
        Self::of_version_1(file)
    }

    fn of_version_1(file: &'a [u8]) -> Result<(Self, &'a [u8]), Unopened> {
        let damaged = || Unopened::Damaged;
        let (_, rest) = line(file).ok_or_else(damaged)?;
        let (stanza, rest) = line(rest).ok_or_else(damaged)?;
        let words: Vec<_> = stanza.split(' ').collect();
        let &["->", "scrypt", salt, work] = words.as_slice() else {
            let is_other = words.first() == Some(&"->") && words.get(1) != Some(&"scrypt");
            return Err(if is_other { Unopened::NotForPassphrase } else { Unopened::Damaged });
        };
        let (wrapped, rest) = line(rest).ok_or_else(damaged)?;
        let (last, payload) = line(rest).ok_or_else(damaged)?;
        let code = last.strip_prefix("--- ").ok_or_else(damaged)?;
        let signed = &file[..file.len() - rest.len() + "---".len()];
        let bytes = |text: &str, length| {
            let decoded = BASE64_STANDARD_NO_PAD.decode(text).ok();
            decoded.filter(|bytes| bytes.len() == length).ok_or_else(damaged)
        };
        let header = Self {
            signed,
            code: bytes(code, 32)?,
            salt: bytes(salt, 16)?,
            work: work.parse().ok().filter(|work| (1..=MOST_WORK).contains(work)).ok_or_else(damaged)?,
            wrapped: bytes(wrapped, FILE_KEY + TAG)?,
        };
        Ok((header, payload))
    }

    /// The key of the file.
    pub(super) fn open(&self, passphrase: &Secret) -> Result<[u8; FILE_KEY], Unopened> {
        let wrong = |_| Unopened::WrongPassphrase;
        let key = wrap_key(passphrase, &self.salt, self.work).map_err(wrong)?;
        let nonce = Nonce::from_slice(&[0; 12]).map_err(wrong)?;
        let mut file_key = [0; FILE_KEY];
        chacha20poly1305::open(&key, &nonce, &self.wrapped, None, &mut file_key).map_err(wrong)?;
        self.check(&file_key).map_err(|_| Unopened::Damaged)?;
        Ok(file_key)
    }

    fn check(&self, file_key: &[u8]) -> Result<(), UnknownCryptoError> {
        let code = hmac::Tag::from_slice(&self.code)?;
        HmacSha256::verify(&code, &code_key(file_key)?, self.signed)
    }
}

fn wrap_key(passphrase: &Secret, salt: &[u8], work: u8) -> Result<SecretKey, UnknownCryptoError> {
    let mut key = [0; 32];
    let salt = [LABEL, salt].concat();
    scrypt::derive_key(passphrase.expose().as_bytes(), &salt, 1 << work, 8, 1, &mut key)?;
    SecretKey::from_slice(&key)
}

fn code_key(file_key: &[u8]) -> Result<hmac::SecretKey, UnknownCryptoError> {
    let mut key = [0; 32];
    hkdf::sha256::derive_key(&[], file_key, Some(b"header"), &mut key)?;
    hmac::SecretKey::from_slice(&key)
}

/// The first line of what is left, and what follows it.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((line, &bytes[end + 1..]))
}
