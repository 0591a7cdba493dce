//! The format in which a token is printed or written to a file.

use imgurd_proto::text::is_credential;
use imgurd_proto::{Secret, Token};

use super::account;
use super::template::{Placeholder, Template};
use crate::app::App;
use crate::cli::TokenArgs;
use crate::failure::Failure;

pub(super) enum Form {
    Bare,
    Json,
    /// `Authorization:` with this word before the token.
    Header(String),
    /// `NAME=TOKEN`.
    Variable(String),
    Template(Template),
}

impl Form {
    /// The format that the options select. It is checked before the call for a token.
    pub(super) fn new(app: &App, args: &TokenArgs) -> Result<Self, Failure> {
        check_json(app, args)?;
        if let Some(path) = &args.template {
            return Ok(Self::Template(Template::read(path)?));
        }
        if let Some(name) = &args.env {
            return Ok(Self::Variable(name.clone()));
        }
        if !args.header {
            return Ok(if app.output.json { Self::Json } else { Self::Bare });
        }
        let prefix = args.prefix.as_deref().unwrap_or("Bearer");
        if !is_credential(prefix) {
            let reason = "--prefix has a line break or another invalid character; give one word";
            return Err(Failure::usage("prefix", reason));
        }
        Ok(Self::Header(prefix.to_owned()))
    }

    /// The token in this format, with its line end.
    pub(super) fn text(&self, app: &App, token: &Token) -> Result<String, Failure> {
        let access_token = credential(&token.access_token)?;
        Ok(match self {
            Self::Bare => format!("{access_token}\n"),
            Self::Json => {
                serde_json::to_string(token).map_err(|error| Failure::Other(error.to_string()))? + "\n"
            }
            Self::Header(prefix) => format!("Authorization: {prefix} {access_token}\n"),
            Self::Variable(name) => format!("{name}={}\n", unquoted(access_token)?),
            Self::Template(template) => template.fill(|placeholder| value(app, token, placeholder))?,
        })
    }
}

/// `--json` is a format of its own.
fn check_json(app: &App, args: &TokenArgs) -> Result<(), Failure> {
    let others =
        [("header", args.header), ("env", args.env.is_some()), ("template", args.template.is_some())];
    match others.into_iter().find(|(_, is_given)| *is_given && app.output.json) {
        Some((option, _)) => {
            let reason = format!("--{option} and --json exclude each other; give one of them");
            Err(Failure::usage(option, reason))
        }
        None => Ok(()),
    }
}

fn value(app: &App, token: &Token, placeholder: Placeholder) -> Result<String, Failure> {
    let value = match placeholder {
        Placeholder::AccessToken => unquoted(token.access_token.expose())?.to_owned(),
        Placeholder::ExpiresAt => token.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        Placeholder::Username => token.username.clone().unwrap_or_default(),
        Placeholder::ClientId => account::client_id(&app.account(Some(&token.account))?)?.to_owned(),
    };
    if value.contains(|c: char| c.is_control() || "\"'\\`$<>&".contains(c)) {
        let reason = format!(
            "the value of {placeholder} has quotes or other characters that could change the meaning of the file; remove \
             {placeholder} from the template"
        );
        return Err(Failure::Other(reason));
    }
    Ok(value)
}

/// The token, if every program reads its characters literally (RFC 6750, section 2.1). Each program quotes
/// differently.
fn unquoted(access_token: &str) -> Result<&str, Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    access_token.chars().all(is_plain).then_some(access_token).ok_or_else(|| {
        let reason = "the token has characters that programs interpret differently in such files; use `imgurctl token --json`";
        Failure::Other(reason.to_owned())
    })
}

/// The token's text. A line break in it could make a second header.
pub(super) fn credential(token: &Secret) -> Result<&str, Failure> {
    let text = token.expose();
    is_credential(text).then_some(text).ok_or_else(|| {
        let reason = "imgurd returned a token with invalid characters (RFC 6749, appendix A); get a new one with \
                      `imgurctl refresh`";
        Failure::Other(reason.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_token_that_would_need_quoting() {
        for token in ["abc", "a-._~+/=Z9"] {
            assert_eq!(unquoted(token).ok(), Some(token));
        }
        for token in ["a b", "a#b", "a\"b", "a$b", "a'b", "a\\b", "a;b", "a\nb"] {
            let refused = unquoted(token).expect_err(token).to_string();
            assert!(!refused.contains(token), "{refused}");
        }
    }
}
