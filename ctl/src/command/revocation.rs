//! What became of grants at the server after a logout.

use imgurd_proto::text::printable;
use imgurd_proto::{Account, DEFAULT_TOKEN_URL, SignedOut};

/// Describes the result in one or two sentences.
pub(super) fn at_the_server(account: &Account, ended: &SignedOut) -> String {
    match (ended.revoked, &ended.note) {
        (Some(true), _) => "The server has revoked them.".to_owned(),
        (Some(false), note) => {
            let why = note.as_deref().unwrap_or("it gave no reason");
            format!("The server did not revoke them: {}. Revoke the access on the server's own page.", printable(why))
        }
        (None, _) if account.settings.revoke_url.is_some() => "There was nothing to revoke at the server.".to_owned(),
        (None, _) if is_imgurs(account) => {
            "Imgur offers no way to revoke them automatically; to revoke the access there, see https://imgur.com/account/settings/apps.".to_owned()
        }
        (None, _) => "The account has no revoke_url, so the server still accepts them; revoke the access on the server's own page."
            .to_owned(),
    }
}

pub(super) fn is_imgurs(account: &Account) -> bool {
    account.settings.token_url.as_deref().is_none_or(|url| url == DEFAULT_TOKEN_URL)
}
