//! A token as it is handed out.

use std::ops::Deref;
use std::sync::OnceLock;

use imgurd_proto::Token;

/// A token, and what is around its secret in the answers that hand it out, which is the same in all of them.
#[derive(Debug)]
pub struct Issued {
    token: Token,
    around: OnceLock<[Box<[u8]>; 2]>,
}

impl Issued {
    /// What is before and behind the secret in an answer, as the first who asks `makes` it.
    pub(crate) fn around(&self, makes: impl FnOnce(&Token) -> [Box<[u8]>; 2]) -> &[Box<[u8]>; 2] {
        self.around.get_or_init(|| makes(&self.token))
    }
}

impl From<Token> for Issued {
    fn from(token: Token) -> Self {
        Self { token, around: OnceLock::new() }
    }
}

impl Deref for Issued {
    type Target = Token;

    fn deref(&self) -> &Token {
        &self.token
    }
}

impl PartialEq for Issued {
    fn eq(&self, other: &Self) -> bool {
        self.token == other.token
    }
}
