//! An account's form: options in, [`Settings`] out.

use clap::Args;
use clap::ValueHint;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use imgurd_proto::{ClientAuth, Flow, RefreshReuse, Secret, Settings};

use crate::cli::flow;
use crate::failure::Failure;
use crate::input;

/// The callback URL where an account names none.
pub(crate) use imgurd_proto::DEFAULT_REDIRECT_URI;

/// What `account add` and `account set` take.
#[derive(Args, Debug)]
pub(crate) struct Form {
    /// The application's id, as the provider's registration page shows it
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Read the application's secret from standard input
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// How consent is obtained [default: code]
    #[arg(long, value_parser = flow())]
    pub(crate) flow: Option<Flow>,
    /// The callback URL as registered, to the letter [default: http://127.0.0.1:8917/callback]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) redirect_uri: Option<String>,
    /// The authorization endpoint [default: Imgur's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) auth_url: Option<String>,
    /// The token endpoint [default: Imgur's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    token_url: Option<String>,
    /// Where the API lives that the tokens are for [default: Imgur's]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    api_url: Option<String>,
    /// Scopes to ask for, separated by spaces; Imgur has none
    #[arg(long)]
    scope: Option<String>,
    /// Put before the random `state`, never in its place
    #[arg(long)]
    state: Option<String>,
    /// How the client identifies itself at the token endpoint [default: body]
    #[arg(long, value_parser = client_auth())]
    client_auth: Option<ClientAuth>,
    /// Whether the redirect URI is sent [default: not to Imgur, to others yes]
    #[arg(long, value_name = "BOOL")]
    send_redirect_uri: Option<bool>,
    /// What the server does with a refresh token that it has replaced [default: tolerated for Imgur, else revokes]
    #[arg(long, value_parser = refresh_reuse())]
    refresh_reuse: Option<RefreshReuse>,
    /// Certificates (PEM) of authorities to trust besides the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = ca_file)]
    ca_file: Option<String>,
    /// Refresh before expiry with no one asking [default: true]
    #[arg(long, value_name = "BOOL")]
    auto_refresh: Option<bool>,
    /// A further parameter of the authorization request; may be repeated
    #[arg(long = "auth-param", value_name = "KEY=VALUE", value_parser = auth_param)]
    auth_params: Vec<(String, String)>,
    /// Make it the default account
    #[arg(long = "default")]
    pub(crate) make_default: bool,
}

impl Form {
    /// What was given, as the daemon takes it.
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
            issuer: None,
            auth_params: (!self.auth_params.is_empty()).then(|| self.auth_params.iter().cloned().collect()),
        }
    }

    /// The secret that standard input holds, if it is to be read.
    pub(crate) fn client_secret(&self) -> Result<Option<Secret>, Failure> {
        if self.client_secret_stdin {
            input::secret("the client secret", "client_secret").map(Some)
        } else {
            Ok(None)
        }
    }

    /// Absent where not asked for: the daemon then leaves the default as it is.
    pub(crate) fn make_default(&self) -> Option<bool> {
        self.make_default.then_some(true)
    }

    /// Whether nothing at all was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.settings() == Settings::default() && !self.client_secret_stdin && !self.make_default
    }
}

fn client_auth() -> impl TypedValueParser<Value = ClientAuth> {
    PossibleValuesParser::new(ClientAuth::NAMES).try_map(|word| word.parse::<ClientAuth>())
}

fn refresh_reuse() -> impl TypedValueParser<Value = RefreshReuse> {
    PossibleValuesParser::new(RefreshReuse::NAMES).try_map(|word| word.parse::<RefreshReuse>())
}

/// The daemon is in another directory. Empty returns to the default.
fn ca_file(path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let absolute = std::path::absolute(path).map_err(|error| error.to_string())?;
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
        form: Form,
    }

    fn form(options: &[&str]) -> Form {
        Line::parse_from([&["x"], options].concat()).form
    }

    #[test]
    fn sends_only_what_was_given() {
        let form = form(&["--flow", "pin", "--auto-refresh", "false"]);
        let sent = serde_json::to_string(&form.settings()).expect("serializes");
        assert_eq!(sent, r#"{"flow":"pin","auto_refresh":false}"#);
        assert_eq!(form.make_default(), None);
    }

    #[test]
    fn knows_an_empty_form() {
        assert!(form(&[]).is_empty());
        assert!(!form(&["--default"]).is_empty());
        assert!(!form(&["--scope", ""]).is_empty());
    }

    #[test]
    fn a_file_is_named_for_a_daemon_that_is_elsewhere() {
        let sent = |path| form(&["--ca-file", path]).settings().ca_file.expect("given");
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(sent("ca.pem"), here.join("ca.pem").display().to_string());
        assert_eq!(sent("/etc/ca.pem"), "/etc/ca.pem");
        assert_eq!(sent(""), "");
    }

    #[test]
    fn collects_repeated_parameters() {
        let form = form(&["--auth-param", "prompt=consent", "--auth-param", "q=a=b"]);
        let params = form.settings().auth_params.expect("some");
        assert_eq!(params["prompt"], "consent");
        assert_eq!(params["q"], "a=b");
    }

    #[test]
    fn refuses_a_parameter_without_a_key() {
        assert!(auth_param("=x").is_err());
        assert!(auth_param("x").is_err());
    }
}
