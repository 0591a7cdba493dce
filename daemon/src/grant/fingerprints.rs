//! Fingerprints of secrets that imgurd must recognise but must not keep.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Secret;
use crate::random;

/// Salted hashes of secrets, the latest last. 64 bits are enough to recognise a token and too few to reveal it: a
/// refresh token has at least 128 (RFC 6749, section 10.10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprints {
    salt: u64,
    hashes: VecDeque<u64>,
}

impl Fingerprints {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether `secret` is among them.
    #[must_use]
    pub fn contains(&self, secret: &Secret) -> bool {
        !self.is_empty() && self.hashes.contains(&self.hash(secret))
    }

    /// Adds `secret`, and drops the oldest beyond `most`.
    pub fn note(&mut self, secret: &Secret, most: usize) {
        self.forget(secret);
        if self.is_empty() {
            self.salt = u64::from_ne_bytes(random::bytes());
        }
        self.hashes.push_back(self.hash(secret));
        while self.hashes.len() > most {
            self.hashes.pop_front();
        }
    }

    /// Drops `secret`.
    pub fn forget(&mut self, secret: &Secret) {
        let hash = self.hash(secret);
        self.hashes.retain(|known| *known != hash);
        if self.is_empty() {
            *self = Self::default(); // as it is read back
        }
    }

    fn hash(&self, secret: &Secret) -> u64 {
        let digest =
            Sha256::new().chain_update(self.salt.to_be_bytes()).chain_update(secret.expose()).finalize();
        digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_recent_secrets_without_storing_them() {
        let mut fingerprints = Fingerprints::default();
        let secret = |number: u32| Secret::from(format!("fake-token-{number}"));
        for number in 0..10 {
            fingerprints.note(&secret(number), 8);
        }
        fingerprints.note(&secret(9), 8);
        let known: Vec<u32> = (0..12).filter(|number| fingerprints.contains(&secret(*number))).collect();
        assert_eq!(known, [2, 3, 4, 5, 6, 7, 8, 9]);
        fingerprints.forget(&secret(5));
        assert!(!fingerprints.contains(&secret(5)));
        let mut one = Fingerprints::default();
        one.note(&secret(1), 8);
        one.forget(&secret(1));
        assert_eq!(one, Fingerprints::default());
        let text = serde_json::to_string(&fingerprints).unwrap();
        assert!(!text.contains("fake"), "{text}");
        let back: Fingerprints = serde_json::from_str(&text).unwrap();
        assert!(back == fingerprints && back.contains(&secret(9)));
    }

    #[test]
    fn fingerprints_of_the_same_secret_differ_between_stores() {
        let mut two = [Fingerprints::default(), Fingerprints::default()];
        for it in &mut two {
            it.note(&Secret::from("fake-token"), 8);
        }
        assert_ne!(two[0], two[1]);
    }
}
