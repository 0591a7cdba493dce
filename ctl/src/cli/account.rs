//! `imgurctl account`, and an account's settings as options.
#![allow(rustdoc::bare_urls, reason = "these comments are what --help prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::absolute;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use imgurd_proto::text::is_account_name;
use imgurd_proto::{ClientAuth, Flow, ParameterValue, RefreshReuse, Settings};

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Add an account; on a terminal, ask for missing settings
    ///
    /// Imgur gives tokens to registered applications only. Register yours at https://api.imgur.com/oauth2/addclient, with
    /// the callback URL http://127.0.0.1:8917/callback; that page then shows the client ID and the client secret. On a
    /// terminal, this command guides you through it. Then sign in with `imgurctl login`.
    #[command(after_help = "Examples:\n  imgurctl account add me\n  \
        pass imgur/secret | imgurctl account add me --client-id 0123456789abcde --client-secret-stdin")]
    Add {
        /// Name of the new account: 1 to 64 letters, digits, `.`, `_` and `-`
        #[arg(value_parser = account_name)]
        name: String,
        #[command(flatten)]
        form: AccountForm,
    },
    /// List the accounts
    List,
    /// Show an account's settings and state
    Show(AccountArg),
    /// Change settings; an empty value restores the default
    #[command(after_help = "Examples:\n  imgurctl account set me --auto-refresh false\n  \
        pass imgur/secret | imgurctl account set me --client-secret-stdin")]
    Set {
        #[command(flatten)]
        account: AccountArg,
        #[command(flatten)]
        form: AccountForm,
    },
    /// Remove an account and its permits; adding it again restores its grant
    #[command(after_help = "Example:\n  imgurctl account remove me")]
    Remove {
        #[command(flatten)]
        name: NameArg,
        /// Revoke its grants at the server and delete them here; needs the setting `revoke_url`
        #[arg(long)]
        revoke: bool,
    },
    /// Make an account the default account
    Default(NameArg),
}

#[derive(Args, Debug)]
pub(crate) struct AccountArg {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct NameArg {
    /// Account
    #[arg(value_name = "NAME")]
    pub(crate) account: String,
}

#[derive(Args, Debug)]
pub(crate) struct AccountForm {
    /// Client ID of the registered application
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read the client secret from standard input
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// OAuth flow; `device` needs --device-auth-url [default: code]
    #[arg(long, value_parser = flow())]
    pub(crate) flow: Option<Flow>,
    /// Callback URL, exactly as registered [default: http://127.0.0.1:8917/callback]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) redirect_uri: Option<String>,
    /// Authorization endpoint [default: Imgur's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) auth_url: Option<String>,
    /// Token endpoint [default: Imgur's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) token_url: Option<String>,
    /// Base URL of the API that the tokens are for [default: Imgur's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    api_url: Option<String>,
    /// Scopes to request, separated by spaces; Imgur has none
    #[arg(long)]
    scope: Option<String>,
    /// Prefix of the random `state` parameter
    #[arg(long)]
    state: Option<String>,
    /// Client authentication at the token endpoint [default: body]
    #[arg(long, value_parser = choice::<ClientAuth>(ClientAuth::NAMES))]
    client_auth: Option<ClientAuth>,
    /// Send the redirect URI to the token endpoint [default: false for Imgur, otherwise true]
    #[arg(long, value_name = "BOOL")]
    send_redirect_uri: Option<bool>,
    /// What the server does if a replaced refresh token is used [default: tolerated for Imgur, otherwise revokes]
    #[arg(long, value_parser = choice::<RefreshReuse>(RefreshReuse::NAMES))]
    refresh_reuse: Option<RefreshReuse>,
    /// PEM file of certificate authorities to trust in addition to the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = ca_file)]
    ca_file: Option<String>,
    /// Issuer URL of the server; `account add` reads the endpoints from its metadata
    ///
    /// imgurd reads the metadata (RFC 8414, OpenID Connect Discovery) once, shows the settings that it finds, and writes them
    /// to config.toml. Options on the command line override them. With --auth-url and --token-url, imgurd does not read the
    /// metadata. `account set` only records the issuer: `iss` in each answer (RFC 9207) must then equal it.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) issuer: Option<String>,
    /// Reject an authorization response without `iss` (RFC 9207) [default: false]
    #[arg(long, value_name = "BOOL")]
    require_iss: Option<bool>,
    /// Revocation endpoint (RFC 7009), which `logout` uses [default: none]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    revoke_url: Option<String>,
    /// Device authorization endpoint (RFC 8628), for the flow `device` [default: none]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    device_auth_url: Option<String>,
    /// Userinfo endpoint (OpenID Connect), which tells who signed in [default: none]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    userinfo_url: Option<String>,
    /// Resource that the tokens are for (RFC 8707); may be repeated
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// Refresh tokens before they expire [default: true]
    #[arg(long, value_name = "BOOL")]
    auto_refresh: Option<bool>,
    /// Additional parameter of the authorization request; may be repeated
    ///
    /// If you give a KEY several times, imgurd sends each VALUE. `account set` replaces the values of KEY and keeps the other
    /// parameters; `KEY=` removes KEY.
    #[arg(long = "auth-param", value_name = "KEY=VALUE", value_parser = auth_param)]
    auth_params: Vec<(String, String)>,
    /// Make it the default account
    #[arg(long = "default")]
    pub(crate) make_default: bool,
}

impl AccountForm {
    /// The options that were given.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            client_id: self.client_id.clone(),
            flow: self.flow,
            redirect_uri: self.redirect_uri.clone(),
            auto_refresh: self.auto_refresh,
            auth_url: self.auth_url.clone(),
            token_url: self.token_url.clone(),
            api_url: self.api_url.clone(),
            scope: self.scope.clone(),
            state: self.state.clone(),
            client_auth: self.client_auth,
            send_redirect_uri: self.send_redirect_uri,
            refresh_reuse: self.refresh_reuse,
            ca_file: self.ca_file.clone(),
            issuer: self.issuer.clone(),
            require_iss: self.require_iss,
            revoke_url: self.revoke_url.clone(),
            device_auth_url: self.device_auth_url.clone(),
            userinfo_url: self.userinfo_url.clone(),
            resource: (!self.resources.is_empty()).then(|| self.resources.clone().into()),
            auth_params: (!self.auth_params.is_empty()).then(|| self.auth_params()),
        }
    }

    /// The values by key. An empty value removes earlier ones.
    fn auth_params(&self) -> BTreeMap<String, ParameterValue> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in &self.auth_params {
            let values = values.entry(key.clone()).or_default();
            if value.is_empty() {
                values.clear();
            } else {
                values.push(value.clone());
            }
        }
        values.into_iter().map(|(key, values)| (key, values.into())).collect()
    }

    /// `None` leaves the default account as it is.
    pub(crate) fn make_default(&self) -> Option<bool> {
        self.make_default.then_some(true)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.settings() == Settings::default() && !self.client_secret_stdin && !self.make_default
    }
}

/// Checks a new account's name here too, before `account add` asks its questions and `import` reads its text.
pub(super) fn account_name(text: &str) -> Result<String, String> {
    let name = Some(text).filter(|text| is_account_name(text)).map(str::to_owned);
    name.ok_or_else(|| "a name has 1 to 64 letters, digits, `.`, `_` and `-`".into())
}

pub(super) fn flow() -> impl TypedValueParser<Value = Flow> {
    choice(Flow::NAMES)
}

pub(super) fn choice<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// Makes the path absolute, because the daemon has another working directory. An empty path restores the default.
fn ca_file(path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let absolute = absolute(path).map_err(|error| error.to_string())?;
    absolute.into_os_string().into_string().map_err(|_| "the path is not UTF-8".into())
}

fn auth_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        form: AccountForm,
    }

    fn form(options: &[&str]) -> AccountForm {
        Line::parse_from([&["x"], options].concat()).form
    }

    #[test]
    fn sends_only_the_given_options() {
        let form = form(&["--flow", "pin", "--auto-refresh", "false"]);
        let sent = serde_json::to_string(&form.settings()).expect("serializes");
        assert_eq!(sent, r#"{"flow":"pin","auto_refresh":false}"#);
        assert_eq!(form.make_default(), None);
    }

    #[test]
    fn recognises_an_empty_form() {
        assert!(form(&[]).is_empty());
        assert!(!form(&["--default"]).is_empty());
        assert!(!form(&["--scope", ""]).is_empty());
    }

    #[test]
    fn makes_a_relative_path_absolute_for_the_daemon() {
        let sent = |path| form(&["--ca-file", path]).settings().ca_file.expect("given");
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(sent("ca.pem"), here.join("ca.pem").display().to_string());
        assert_eq!(sent("/etc/ca.pem"), "/etc/ca.pem");
        assert_eq!(sent(""), "");
    }

    #[test]
    fn collects_repeated_parameters() {
        let params = ["prompt=consent", "q=a=b", "q=+", "q=a=b", "gone=x", "gone="];
        let form = form(&params.map(|param| ["--auth-param", param]).concat());
        let params = form.settings().auth_params.expect("given");
        assert_eq!(params["prompt"].values(), ["consent"]);
        assert_eq!(params["q"].values(), ["a=b", "+", "a=b"]);
        assert_eq!(params["gone"].values(), [""]);
    }

    #[test]
    fn refuses_a_parameter_without_a_key() {
        assert!(auth_param("=x").is_err());
        assert!(auth_param("x").is_err());
    }
}
