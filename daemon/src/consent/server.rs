//! Checks which server an answer came from (RFC 9207).

use imgurd_proto::text::printable_name;
use url::Url;

use super::authorization_response::AuthorizationResponse;

pub(super) struct Server {
    /// Its identifier, if the account names one.
    pub(super) issuer: Option<String>,
    /// Whether its metadata promise `iss` in each answer (RFC 9207, section 3).
    pub(super) requires_iss: bool,
    pub(super) auth_url: Url,
}

impl Server {
    /// Refuses the answer of another server (RFC 9207, section 2.4; RFC 9700, section 4.4). Without a configured
    /// issuer, `iss` must have the origin of the page that the user opened.
    pub(super) fn check(&self, answer: &AuthorizationResponse) -> Result<(), String> {
        let Some(iss) = &answer.iss else {
            // A code or PIN that the user copied has no `iss` and no state. An error is harmless without `iss`, and
            // some servers that promise it leave it out there.
            let is_missing =
                self.requires_iss && answer.state.is_some() && answer.content.credential().is_some();
            return if is_missing { Err(NO_ISS.to_owned()) } else { Ok(()) };
        };
        let is_ours = match &self.issuer {
            Some(issuer) => iss == issuer,
            None => Url::parse(iss).is_ok_and(|iss| iss.origin() == self.auth_url.origin()),
        };
        if is_ours {
            return Ok(());
        }
        let wanted = self.issuer.clone().unwrap_or_else(|| self.auth_url.origin().ascii_serialization());
        let iss = printable_name(iss);
        Err(format!(
            "The answer came from another server ({iss}) than the account's ({wanted}), so imgurd did not use it; if \
             both are the same server, set issuer to the name that it gives itself"
        ))
    }
}

const NO_ISS: &str = "The answer does not name its server (iss), although the account's server promises to, so \
                      imgurd did not use it; sign in again, or set require_iss to false if the server never sends it";
