//! The access tokens that the gateway gave last.

use std::collections::HashMap;
use std::sync::Mutex;

use imgurd_proto::Secret;

use crate::mutex::lock;

/// The access token that each refresh token brought last, so that a client is understood that refreshes because that one is of
/// no use. A daemon that was restarted does not know, and hands out the current one.
#[derive(Debug, Default)]
pub(super) struct LastTokens(Mutex<HashMap<String, Secret>>);

/// More than there are refresh tokens in use, and less than would be a burden.
const MOST: usize = 1024;

impl LastTokens {
    pub(super) fn of(&self, family: &str) -> Option<Secret> {
        lock(&self.0).get(family).cloned()
    }

    pub(super) fn note(&self, family: &str, token: &Secret) {
        let mut all = lock(&self.0);
        if all.len() >= MOST && !all.contains_key(family) {
            all.clear();
        }
        all.insert(family.to_owned(), token.clone());
    }
}
