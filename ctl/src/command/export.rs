//! `imgurctl export`, and the export in `imgurctl import`: an account with its grant, sealed with a passphrase.

use std::io;
use std::path::Path;

use imgurd_proto::text::cause;
use imgurd_proto::{
    Account, AddAccount, Export, ExportGrant, RemoveAccount, Secret, SetAccount, Settings, State,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use crate::app::App;
use crate::cli::ExportArgs;
use crate::failure::Failure;
use crate::sealed;
use crate::terminal::output::Output;
use crate::terminal::passphrase;

/// The version of [`Content`].
const VERSION: u32 = 1;

/// The sealed content.
#[derive(Serialize)]
struct Content {
    imgurd_export: u32,
    #[serde(flatten)]
    export: Export,
}

#[derive(Deserialize)]
struct Version {
    imgurd_export: u32,
}

pub(crate) fn export(app: &App, args: &ExportArgs) -> Result<(), Failure> {
    // Fail before the user chooses a passphrase.
    let account = app.account(args.account.as_deref())?.name;
    if args.moves && Output::is_discarded(io::stdout()) {
        let reason = "standard output is closed or /dev/null, so the export would be lost; write it to a file, as in `… > FILE`";
        return Err(Failure::usage("move", reason));
    }
    let passphrase = passphrase::choose(args.passphrase_file.as_deref())?;
    let export = app.call(&ExportGrant { account: Some(account.clone()) })?.export;
    let has_ca_file = export.settings.ca_file.is_some();
    let text = seal(export, &passphrase)?;
    if app.output.json {
        Output::print_json(&json!({ "account": account, "export": text }))?;
    } else {
        Output::print_raw(&text)?;
    }
    if args.moves {
        sync_output()?;
        app.call(&RemoveAccount { account: account.clone(), revoke: None })?;
    }
    if has_ca_file {
        app.output.say(
            "The export does not contain the certificate file (ca_file); set it on the other machine with `imgurctl account set --ca-file FILE`.",
        );
    }
    app.output.say(next_step(&account, args.moves));
    Ok(())
}

fn seal(mut export: Export, passphrase: &Secret) -> Result<String, Failure> {
    // It is the path of a file on this machine.
    export.settings.ca_file = None;
    let content = Content { imgurd_export: VERSION, export };
    let text = serde_json::to_string(&content).map_err(|error| Failure::Other(error.to_string()))?;
    sealed::seal(&text.into(), passphrase)
        .map_err(|_| Failure::Other("cannot encrypt the export; try again".into()))
}

/// Makes sure that the export is on the disk before the account is removed here.
fn sync_output() -> Result<(), Failure> {
    match rustix::fs::fsync(io::stdout()) {
        // The output is a pipe or a terminal.
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::ROFS) => Ok(()),
        Err(error) => Err(Failure::Other(format!(
            "the export may be incomplete: {error}; nothing was removed, so try again",
            error = cause(&error)
        ))),
    }
}

fn next_step(account: &str, has_moved: bool) -> String {
    if has_moved {
        return format!(
            "Exported {account} and removed it here. Import it on the other machine with `imgurctl import`; importing it here \
             undoes the move."
        );
    }
    format!(
        "Exported {account}. Import it soon, because the next refresh may replace the exported refresh token. Then run \
         `imgurctl account remove {account}` here: if two machines refresh the same grant, each invalidates the other's tokens."
    )
}

/// The content of a text for `imgurctl import`.
pub(super) enum Opened {
    /// An account's name, and its grant as text.
    Account(String, Secret),
    /// A grant in another program's format.
    Grant(Secret),
}

/// Opens a text. If it is an export, its account then exists, with the settings that its grant needs.
pub(super) fn open(
    app: &App,
    text: &Secret,
    account: Option<&str>,
    file: Option<&Path>,
) -> Result<Opened, Failure> {
    if !sealed::is_sealed(text.expose()) {
        return Ok(Opened::Grant(text.clone()));
    }
    let passphrase = passphrase::recall(file)?;
    let opened = sealed::open(text.expose(), &passphrase);
    let content = opened.map_err(|error| Failure::usage("text", format!("nothing was imported: {error}")))?;
    let Some(export) = read(&content)? else { return Ok(Opened::Grant(content)) };
    let name = account.unwrap_or(&export.account).to_owned();
    let grant = json!({
        "refresh_token": export.refresh_token,
        "access_token": export.access_token,
        "account_username": export.username,
    });
    ensure_account(app, &name, export)?;
    Ok(Opened::Account(name, grant.to_string().into()))
}

/// The export in a text; `None` for other text.
fn read(content: &Secret) -> Result<Option<Export>, Failure> {
    let Ok(Version { imgurd_export }) = serde_json::from_str(content.expose()) else { return Ok(None) };
    if imgurd_export > VERSION {
        let reason = "a newer imgurctl made this export; update imgurctl on this machine";
        return Err(Failure::usage("text", reason));
    }
    let export = serde_json::from_str(content.expose())
        .map_err(|_| Failure::usage("text", "the export is damaged; repeat `imgurctl export`"))?;
    Ok(Some(export))
}

/// Adds the account, unless it exists with the same client and server. An existing one keeps its settings, and its client
/// secret unless it is empty.
fn ensure_account(app: &App, name: &str, export: Export) -> Result<(), Failure> {
    let Export { settings, client_secret, .. } = export;
    let found = app.accounts(None)?.into_iter().find(|account| account.name == name);
    match (found, client_secret) {
        (None, client_secret) => {
            app.call(&AddAccount { account: name.to_owned(), settings, client_secret, make_default: None })?;
        }
        (Some(found), _) if !has_same_issuer(&found, &settings) => {
            let reason = format!(
                "the account {name} has another client ID or token URL than the export; import it under another name, as in \
                 `imgurctl import OTHER`"
            );
            return Err(Failure::usage("account", reason));
        }
        (Some(Account { state: State::Empty, .. }), client_secret @ Some(_)) => {
            let account = Some(name.to_owned());
            app.call(&SetAccount { account, client_secret, ..SetAccount::default() })?;
        }
        (Some(_), _) => {}
    }
    Ok(())
}

fn has_same_issuer(account: &Account, settings: &Settings) -> bool {
    let origin =
        |url: &Option<String>| url.as_ref().and_then(|url| Url::parse(url).ok()).map(|url| url.origin());
    account.settings.client_id == settings.client_id
        && origin(&account.settings.token_url) == origin(&settings.token_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_a_later_export_from_other_texts() {
        let later = r#"{"imgurd_export":2,"account":7}"#;
        let failure = read(&later.into()).expect_err("refused");
        assert!(failure.to_string().contains("newer imgurctl"), "{failure}");
        assert!(read(&r#"{"imgurd_export":1,"account":"a"}"#.into()).is_err_and(|it| it.exit_code() == 2));
        for text in ["0123", r#"{"refresh_token":"x"}"#] {
            assert!(matches!(read(&text.into()), Ok(None)), "{text}");
        }
    }

    #[test]
    fn ignores_unknown_fields_of_an_export() {
        let text = r#"{"imgurd_export":1,"account":"a","settings":{},"refresh_token":"r","mood":"fine"}"#;
        let export = read(&text.into()).expect("read").expect("an export");
        assert_eq!((export.account.as_str(), export.refresh_token.expose()), ("a", "r"));
    }
}
