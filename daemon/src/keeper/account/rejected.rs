//! Access tokens that somebody has reported as rejected, without keeping them.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use crate::grant::Secret;

/// How many are remembered: anyone can claim that of anything while the store cannot be read.
const REMEMBERED: usize = 16;

/// What is left of them: a keyed hash of 64 bits each, so that nobody who reads memory finds a token, and chance takes one
/// for another once in 2^64.
#[derive(Clone, Debug, Default)]
pub(super) struct Rejected {
    key: RandomState,
    /// The latest last.
    hashes: VecDeque<u64>,
}

impl Rejected {
    pub(super) fn contains(&self, token: &Secret) -> bool {
        self.hashes.contains(&self.hash(token))
    }

    pub(super) fn note(&mut self, token: &Secret) {
        if !self.contains(token) {
            self.hashes.push_back(self.hash(token));
        }
        if self.hashes.len() > REMEMBERED {
            self.hashes.pop_front();
        }
    }

    fn hash(&self, token: &Secret) -> u64 {
        self.key.hash_one(token.expose())
    }
}
