//! The key that encrypts secrets on the bus (Secret Service API, *Transfer of Secrets*).

use std::mem;

use imgurd_proto::Zeroizing;
use oo7::{Key, crypto};
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use super::proxies::Secret;
use crate::random;

/// The one algorithm that encrypts: Diffie-Hellman in the second Oakley group (RFC 2409, section 6.2), HKDF, AES.
pub(super) const ALGORITHM: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";

const CONTENT_TYPE: &str = "application/octet-stream";

/// The size of an initialization vector, in bytes: a block of AES.
const BLOCK: usize = 16;

/// The size of our exponent, in bytes. More does not make the group stronger (RFC 3526, section 8).
const EXPONENT: usize = 32;

/// The size of the group's prime, in bytes.
const PUBLIC_KEY: usize = 128;

/// The size of the group's prime, and a byte for a sign, as some programs write one.
const LONGEST_PUBLIC_KEY: usize = 129;

/// Our half of a key, before the keyring has sent its own.
pub(super) struct KeyExchange {
    private: Key,
    public: Key,
}

impl KeyExchange {
    pub(super) fn new() -> Result<Self, crypto::Error> {
        let exponent = Zeroizing::new(random::bytes::<EXPONENT>());
        let private = Key::new(exponent.to_vec());
        Ok(Self { public: Key::generate_public_key(&private)?, private })
    }

    /// What the keyring gets of it.
    pub(super) fn public(&self) -> Variant<'static> {
        // One in 256 keys is shorter, and KWallet refuses those.
        let key = self.public.as_ref();
        let zeros = PUBLIC_KEY.saturating_sub(key.len());
        Variant::from([&vec![0; zeros], key].concat())
    }

    /// The session that the keyring has opened. `None` if its half cannot be one.
    pub(super) fn complete(&self, output: OwnedVariant, path: OwnedObjectPath) -> Option<Session> {
        let public = Vec::<u8>::try_from(output).ok().filter(|key| key.len() <= LONGEST_PUBLIC_KEY)?;
        let key = Key::generate_aes_key(&self.private, &Key::new(public)).ok()?;
        Some(Session { path, key })
    }
}

/// A session with one keyring, and its key.
pub(super) struct Session {
    pub(super) path: OwnedObjectPath,
    key: Key,
}

impl Session {
    pub(super) fn encrypt(&self, secret: &[u8]) -> Result<Secret, crypto::Error> {
        let vector = random::bytes::<BLOCK>();
        let value = crypto::encrypt(secret, &self.key, vector)?;
        let (session, parameters) = (self.path.clone(), vector.to_vec());
        Ok(Secret { session, parameters, value, content_type: CONTENT_TYPE.to_owned() })
    }

    /// `None` if the secret was not encrypted for this session.
    pub(super) fn decrypt(&self, secret: &Secret) -> Option<Vec<u8>> {
        // oo7 panics at an initialization vector of another size.
        if secret.parameters.len() != BLOCK {
            return None;
        }
        let mut text = crypto::decrypt(&secret.value, &self.key, &secret.parameters).ok()?;
        Some(mem::take(&mut *text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> OwnedObjectPath {
        OwnedObjectPath::try_from("/org/freedesktop/secrets/session/s1").unwrap()
    }

    fn variant(key: &[u8]) -> OwnedVariant {
        Variant::from(key.to_vec()).try_into().unwrap()
    }

    /// Both ends of a session.
    fn sessions() -> (Session, Session) {
        let (ours, theirs) = (KeyExchange::new().unwrap(), KeyExchange::new().unwrap());
        let session = |one: &KeyExchange, other: &KeyExchange| {
            one.complete(variant(other.public.as_ref()), path()).unwrap()
        };
        (session(&ours, &theirs), session(&theirs, &ours))
    }

    #[test]
    fn what_one_end_encrypts_the_other_decrypts() {
        let (ours, theirs) = sessions();
        for text in ["", "0123456789abcdef", "a longer text than one block of the cipher"] {
            let secret = ours.encrypt(text.as_bytes()).unwrap();
            assert_ne!(secret.value, text.as_bytes());
            assert_eq!(theirs.decrypt(&secret).unwrap(), text.as_bytes());
        }
        let again = |text: &str| ours.encrypt(text.as_bytes()).unwrap().value;
        assert_ne!(again("one"), again("one"), "each encryption has its own initialization vector");
    }

    #[test]
    fn an_answer_that_is_not_as_specified_is_refused_without_a_panic() {
        let (ours, theirs) = sessions();
        let mut secret = theirs.encrypt(b"text").unwrap();
        for length in [0, 1, 15, 17, 1000] {
            secret.parameters = vec![1; length];
            assert_eq!(ours.decrypt(&secret), None);
        }
        secret.parameters = vec![1; BLOCK];
        for length in [0, 1, 15, 17, 1000] {
            secret.value = vec![1; length];
            assert_eq!(ours.decrypt(&secret), None);
        }
        let exchange = KeyExchange::new().unwrap();
        assert!(exchange.complete(variant(&[1; LONGEST_PUBLIC_KEY + 1]), path()).is_none());
        assert!(exchange.complete(Variant::from("text").try_into().unwrap(), path()).is_none());
        for key in [&[][..], &[0], &[1], &[0xFF; 128], &[0; LONGEST_PUBLIC_KEY]] {
            drop(exchange.complete(variant(key), path()));
        }
    }
}
