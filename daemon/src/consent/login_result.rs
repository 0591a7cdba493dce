//! What callers tell a login, and how it ends.

use imgurd_proto::{Error, Secret};
use tokio::sync::oneshot;

use crate::keeper::SignedIn;

pub(crate) type LoginResult = Result<SignedIn, Error>;

/// A request of a caller to a login.
pub(super) enum Submission {
    Answer { response: Secret, reply: oneshot::Sender<LoginResult> },
    Cancel,
}

pub(super) fn cancelled(account: &str) -> Error {
    Error::login(format!("The sign-in was cancelled; run `imgurctl login {account}` to try again"))
}

pub(super) fn expired(account: &str) -> Error {
    Error::login(format!(
        "Nobody completed the sign-in in time; run `imgurctl login {account}` to try again. If the sign-in page \
         showed an error, compare client_id and redirect_uri with your registration (`imgurctl account show \
         {account}`)"
    ))
}
