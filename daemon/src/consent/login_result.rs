//! How a login ends.

use imgurd_proto::Error;

use crate::keeper::SignedIn;

pub(crate) type LoginResult = Result<SignedIn, Error>;

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
