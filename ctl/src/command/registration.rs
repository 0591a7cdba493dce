//! How a new user gets a client ID and a secret.

use imgurd_proto::{DEFAULT_REDIRECT_URI, Flow, Secret};

use crate::cli::AccountForm;
use crate::failure::Failure;
use crate::terminal::input;
use crate::terminal::output::tell;

/// Prints where to register an application, and what to enter there.
pub(super) fn explain(form: &AccountForm) {
    let redirect_uri = form.redirect_uri.as_deref().filter(|uri| !uri.is_empty());
    let redirect_uri = redirect_uri.unwrap_or(DEFAULT_REDIRECT_URI);
    tell(&match (&form.auth_url, &form.issuer) {
        (Some(_), _) | (_, Some(_)) => elsewhere(redirect_uri),
        (None, None) => at_imgur(form.flow.unwrap_or_default(), redirect_uri),
    });
}

fn at_imgur(flow: Flow, redirect_uri: &str) -> String {
    let choice = match flow {
        Flow::Pin => "2. Choose \"OAuth 2 authorization without a callback URL\".".to_owned(),
        Flow::Code | Flow::Token | Flow::Device => format!(
            "2. Choose \"OAuth 2 authorization with a callback URL\" and enter exactly this callback URL:\n\
             \x20      {redirect_uri}\n\
             \x20  Each character counts: 127.0.0.1 and localhost differ."
        ),
    };
    format!(
        "Imgur gives tokens to registered applications only. To register yours:\n\n\
         1. Sign in to Imgur and open https://api.imgur.com/oauth2/addclient\n\
         {choice}\n\
         3. Enter here the client ID and the client secret that the page shows.\n\n\
         Since 2025, Imgur has often closed that page. You can also use the client ID of an earlier registration,\n\
         or import a grant from elsewhere with `imgurctl import`.\n"
    )
}

fn elsewhere(redirect_uri: &str) -> String {
    format!(
        "Register an application at your provider, with exactly this callback URL:\n\
         \x20      {redirect_uri}\n\
         Then enter here the client ID and the client secret that the provider shows.\n"
    )
}

/// Asks until something is entered.
pub(super) fn ask_client_id() -> Result<String, Failure> {
    loop {
        let answer = input::ask("Client ID: ")?;
        if !answer.is_empty() {
            return Ok(answer);
        }
    }
}

/// Asks for the secret, without echo; Enter skips it.
pub(super) fn ask_client_secret(name: &str, flow: Option<Flow>) -> Result<Option<Secret>, Failure> {
    let skip = match flow {
        Some(Flow::Token) => "press Enter to skip; only refreshing needs it".to_owned(),
        _ => format!(
            "press Enter to skip, and add it later with `imgurctl account set {name} --client-secret-stdin`"
        ),
    };
    let answer = input::ask_secret(&format!("Client secret (not shown; {skip}): "))?;
    Ok(Some(answer).filter(|secret| !secret.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_page_type_and_callback_of_the_registration() {
        let text = at_imgur(Flow::Code, DEFAULT_REDIRECT_URI);
        for part in [
            "https://api.imgur.com/oauth2/addclient",
            "OAuth 2 authorization with a callback URL",
            "\n       http://127.0.0.1:8917/callback\n",
            "127.0.0.1 and localhost differ",
            "imgurctl import",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }

    #[test]
    fn a_pin_needs_no_callback() {
        let text = at_imgur(Flow::Pin, DEFAULT_REDIRECT_URI);
        assert!(text.contains("without a callback URL") && !text.contains("8917"));
    }

    #[test]
    fn does_not_mention_imgur_for_another_provider() {
        assert!(!elsewhere("http://127.0.0.1:1/").contains("Imgur"));
    }
}
