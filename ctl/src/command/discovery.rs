//! `imgurctl account add --issuer`: settings from the server's metadata.

use imgurd_proto::text::printable;
use imgurd_proto::{Discover, Discovery, Settings};

use crate::app::App;
use crate::cli::AccountForm;
use crate::failure::Failure;
use crate::terminal::table;

/// The issuer to ask; `None` if the form has the endpoints.
pub(super) fn needed(form: &AccountForm) -> Option<&str> {
    let is_given = |url: &Option<String>| url.as_ref().is_some_and(|url| !url.is_empty());
    let issuer = form.issuer.as_deref().filter(|issuer| !issuer.is_empty());
    issuer.filter(|_| !is_given(&form.auth_url) || !is_given(&form.token_url))
}

/// The form, completed with the server's metadata. The form's own settings take precedence.
pub(super) fn settings(app: &App, issuer: &str, form: &AccountForm) -> Result<Settings, Failure> {
    let given = form.settings();
    let call = Discover { issuer: issuer.to_owned(), ca_file: given.ca_file.clone() };
    let found = app
        .call_patiently(&call, || format!("Asking {} for its metadata; wait a moment.", printable(issuer)))?;
    app.output.say(what_was_taken(&found));
    Ok(merged(found.settings, &given))
}

fn what_was_taken(found: &Discovery) -> String {
    let issuer = found.settings.issuer.as_deref().unwrap_or_default();
    let pkce = match found.pkce {
        Some(true) => "The server supports PKCE (S256), which imgurd uses.",
        Some(false) => "The server does not list S256 among its PKCE methods; imgurd uses it anyway.",
        None => "The server does not say whether it supports PKCE; imgurd uses it anyway.",
    };
    let scopes = if found.scopes.is_empty() {
        String::new()
    } else {
        format!("\nThe server's scopes: {}. Choose with --scope.", found.scopes.join(" "))
    };
    let text = format!(
        "Settings from the metadata of {issuer}, which imgurd writes to config.toml:\n{}\n{pkce}{scopes}",
        table::settings_sheet(&found.settings)
    );
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

fn merged(found: Settings, given: &Settings) -> Settings {
    let auth_params = match (found.auth_params.clone(), given.auth_params.clone()) {
        (Some(mut found), Some(given)) => {
            found.extend(given);
            Some(found)
        }
        (found, given) => given.or(found),
    };
    // The user may have given the URL of the metadata, which is not the issuer.
    let issuer = found.issuer.clone();
    let over = |found: Option<String>, given: &Option<String>| given.clone().or(found);
    Settings {
        issuer,
        auth_url: over(found.auth_url, &given.auth_url),
        token_url: over(found.token_url, &given.token_url),
        revoke_url: over(found.revoke_url, &given.revoke_url),
        device_auth_url: over(found.device_auth_url, &given.device_auth_url),
        userinfo_url: over(found.userinfo_url, &given.userinfo_url),
        scope: over(found.scope, &given.scope),
        client_auth: given.client_auth.or(found.client_auth),
        require_iss: given.require_iss.or(found.require_iss),
        auth_params,
        ..given.clone()
    }
}

#[cfg(test)]
mod tests {
    use imgurd_proto::ClientAuth;

    use super::*;

    fn found() -> Settings {
        Settings {
            issuer: Some("https://as.example".into()),
            token_url: Some("https://as.example/token".into()),
            scope: Some("openid".into()),
            client_auth: Some(ClientAuth::Basic),
            auth_params: Some([("prompt".to_owned(), "consent".into())].into()),
            ..Settings::default()
        }
    }

    #[test]
    fn given_settings_override_the_metadata() {
        let given = Settings {
            client_id: Some("me".into()),
            issuer: Some("https://as.example/.well-known/openid-configuration".into()),
            scope: Some("email".into()),
            client_auth: Some(ClientAuth::Body),
            auth_params: Some([("hint".to_owned(), "x".into())].into()),
            ..Settings::default()
        };
        let merged = merged(found(), &given);
        assert_eq!(merged.issuer.as_deref(), Some("https://as.example"));
        assert_eq!(merged.token_url.as_deref(), Some("https://as.example/token"));
        assert_eq!((merged.client_id.as_deref(), merged.scope.as_deref()), (Some("me"), Some("email")));
        assert_eq!(merged.client_auth, Some(ClientAuth::Body));
        assert_eq!(merged.auth_params.expect("some").len(), 2);
    }
}
