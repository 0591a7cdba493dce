//! `imgurctl init`: a first configuration, and the file store's key.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use imgurd_proto::{Secret, StoreKind};
use serde_json::json;
use toml_edit::{DocumentMut, Item, TomlError};

use super::credential;
use crate::app::App;
use crate::failure::Failure;
use crate::files::{self, Files, create};
use crate::sealed::random_hexadecimal;

/// The size of a key in bytes.
const KEY_SIZE: usize = 32;

const RESTART: &str = "If imgurd is already running, restart it with `systemctl --user restart imgurd`.";

pub(crate) fn init(app: &App, store: Option<StoreKind>) -> Result<(), Failure> {
    let files = Files::from_env()?;
    let done = match files::read(&files.config) {
        Ok(text) => complete(&files, store, &text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            begin(&files, store.unwrap_or(StoreKind::SecretService))?
        }
        Err(error) => return Err(Failure::cannot("read", &files.config, &error)),
    };
    let drop_in = done.key.as_ref().and_then(|(key, _)| write_drop_in(&files, key));
    let drop_in = drop_in.as_deref();
    app.output.conclude(&done.json(&files, drop_in), || done.text(&files, drop_in))
}

/// Makes a running service manager pass the key to the service; returns the drop-in file.
fn write_drop_in(files: &Files, key: &Path) -> Option<PathBuf> {
    let config_home = files.config.ancestors().nth(2)?;
    let drop_in = credential::drop_in(config_home);
    let is_written = credential::has_manager() && credential::write(&drop_in, key);
    is_written.then(credential::reload).map(|()| drop_in)
}

/// What was created, and what existed.
struct Done {
    store: StoreKind,
    config: Step,
    key: Option<(PathBuf, Step)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Made,
    Kept,
    /// A configuration without the line `store`.
    KeptWithoutStore,
}

/// Writes the configuration, and the key before it, because a configuration without its key would prevent the daemon
/// from starting.
fn begin(files: &Files, store: StoreKind) -> Result<Done, Failure> {
    let key = match store {
        StoreKind::File => Some((files.key.clone(), make_key(&files.key, files)?)),
        StoreKind::SecretService | StoreKind::Memory => None,
    };
    create(&files.config, &first_config(store))
        .map_err(|error| Failure::cannot("write", &files.config, &error))?;
    Ok(Done { store, config: Step::Made, key })
}

/// Creates the key that an existing configuration lacks.
fn complete(files: &Files, asked: Option<StoreKind>, text: &str) -> Result<Done, Failure> {
    let config: DocumentMut = text.parse().map_err(|error: TomlError| {
        let shown = files.config.display();
        Failure::Other(format!("{shown} is not valid TOML: {}; correct it", toml_error(&error, text)))
    })?;
    let named = config.get("store").and_then(Item::as_str);
    let wants_file = match named {
        Some(named) => {
            named == StoreKind::File.as_str() && asked.is_none_or(|asked| asked == StoreKind::File)
        }
        None => asked == Some(StoreKind::File),
    };
    let key = files.key_file(&config);
    if !wants_file || key.exists() {
        return Err(Failure::Other(format!(
            "{} already exists and was not changed; edit it, or continue with `imgurctl account add NAME`",
            files.config.display()
        )));
    }
    let made = make_key(&key, files)?;
    let config = if named.is_some() { Step::Kept } else { Step::KeptWithoutStore };
    Ok(Done { store: StoreKind::File, config, key: Some((key, made)) })
}

/// Writes a random key in hexadecimal, on one line. Does not overwrite an existing key, because grants may be
/// encrypted with it. If there are grants without a key, a new one would not decrypt them.
fn make_key(path: &Path, files: &Files) -> Result<Step, Failure> {
    if files.grants.exists() && !path.exists() {
        return Err(Failure::Other(format!(
            "the key of your grants, {}, is missing; put it back from your backup. Without it the grants are lost: to start \
             again, delete {}, then repeat this command",
            path.display(),
            files.grants.display()
        )));
    }
    let line = Secret::from(random_hexadecimal::<KEY_SIZE>()? + "\n");
    match create(path, line.expose()) {
        Ok(()) => Ok(Step::Made),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Step::Kept),
        Err(error) => Err(Failure::cannot("write", path, &error)),
    }
}

/// Describes the mistake and its line.
fn toml_error(error: &TomlError, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message().replace('\n', ", "))
}

fn first_config(store: StoreKind) -> String {
    format!(
        "# Settings of imgurd, which reads this file again after each change. Do not put secrets here.\n\
         # `imgurctl account add NAME` adds an account.\n\
         \n\
         # Where imgurd stores grants: \"secret-service\" (the desktop's keyring), \"file\" (encrypted; the key is the file\n\
         # `key` in this directory, or the file named by key_file) or \"memory\" (lost when imgurd ends).\n\
         store = \"{}\"\n",
        store.as_str()
    )
}

impl Done {
    fn json(&self, files: &Files, drop_in: Option<&Path>) -> serde_json::Value {
        json!({
            "config": files.config,
            "config_created": self.config == Step::Made,
            "store": self.store.as_str(),
            "key": self.key.as_ref().map(|(path, _)| path),
            "drop_in": drop_in,
            "key_created": self.key.as_ref().is_some_and(|(_, step)| *step == Step::Made),
        })
    }

    fn text(&self, files: &Files, drop_in: Option<&Path>) -> String {
        let mut lines = vec![self.about_config(files)];
        lines.push(match &self.key {
            Some((path, Step::Made)) => {
                format!("Created the key {}, which only you can read.", path.display())
            }
            Some((path, _)) => format!("Kept the key {}.", path.display()),
            None => about_store(self.store).into(),
        });
        if self.key.is_some() {
            lines.push(format!(
                "imgurd stores the grants, encrypted, in {}. Anyone who has both files has your tokens, so back them up in \
                 different places; without the key, the grants are lost.",
                files.grants.display()
            ));
        }
        lines.extend(
            drop_in.map(|path| format!("systemd passes the key to imgurd, as set in {}.", path.display())),
        );
        lines.extend([RESTART.into(), "Next: `imgurctl account add NAME`.".into()]);
        lines.join("\n")
    }

    fn about_config(&self, files: &Files) -> String {
        let (path, store) = (files.config.display(), self.store.as_str());
        match self.config {
            Step::Made => format!("Wrote {path} with store = \"{store}\"."),
            Step::Kept => format!("Kept {path}, which already has store = \"{store}\"."),
            Step::KeptWithoutStore => {
                format!("Kept {path}, but it has no store: put store = \"{store}\" on its first line.")
            }
        }
    }
}

fn about_store(store: StoreKind) -> &'static str {
    match store {
        StoreKind::Memory => "imgurd keeps grants in memory only, and loses them when it ends.",
        StoreKind::SecretService | StoreKind::File => {
            "imgurd stores the grants in your desktop's keyring (Secret Service). Without a keyring, change the store to \
             \"file\" there and run `imgurctl init` again."
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn home() -> (TempDir, Files) {
        let home = TempDir::new().expect("a directory");
        let files = Files::below(&home.path().join("config"), &home.path().join("state"));
        (home, files)
    }

    fn with_config(files: &Files, text: &str) {
        create(&files.config, text).expect("written");
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn creates_a_private_random_key() {
        let (_home, files) = home();
        begin(&files, StoreKind::File).expect("done");
        assert_eq!(mode(&files.key), 0o600);
        assert_eq!(mode(files.key.parent().expect("a directory")), 0o700);
        let line = fs::read_to_string(&files.key).expect("text");
        let key = line.strip_suffix('\n').expect("one line");
        assert_eq!(key.len(), 2 * KEY_SIZE);
        assert!(key.chars().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(key, "0".repeat(2 * KEY_SIZE));
    }

    #[test]
    fn writes_the_store_as_valid_toml() {
        for store in [StoreKind::SecretService, StoreKind::File, StoreKind::Memory] {
            let config: DocumentMut = first_config(store).parse().expect("TOML");
            assert_eq!(config["store"].as_str(), Some(store.as_str()));
        }
    }

    #[test]
    fn creates_no_key_for_other_stores() {
        for store in [StoreKind::SecretService, StoreKind::Memory] {
            let (_home, files) = home();
            begin(&files, store).expect("done");
            assert!(!files.key.exists());
        }
    }

    #[test]
    fn never_overwrites_a_configuration() {
        let (_home, files) = home();
        with_config(&files, "store = \"memory\"\n");
        for asked in [None, Some(StoreKind::SecretService), Some(StoreKind::File), Some(StoreKind::Memory)] {
            let Err(failure) = complete(&files, asked, "store = \"memory\"\n") else {
                panic!("{asked:?} was accepted");
            };
            assert_eq!(failure.exit_code(), 1);
        }
        assert!(begin(&files, StoreKind::SecretService).is_err());
        assert_eq!(fs::read_to_string(&files.config).expect("text"), "store = \"memory\"\n");
        assert!(!files.key.exists());
    }

    #[test]
    fn makes_no_new_key_for_grants_that_another_one_encrypts() {
        let (_home, files) = home();
        create(&files.grants, "encrypted").expect("written");
        let Err(failure) = begin(&files, StoreKind::File) else { panic!("a new key was made") };
        assert!(failure.to_string().contains("put it back from your backup"), "{failure}");
        assert!(!files.key.exists() && !files.config.exists());
        create(&files.key, "precious\n").expect("written");
        begin(&files, StoreKind::File).expect("done");
    }

    #[test]
    fn never_overwrites_a_key() {
        let (_home, files) = home();
        create(&files.key, "precious\n").expect("written");
        let done = begin(&files, StoreKind::File).expect("done");
        assert_eq!(done.key, Some((files.key.clone(), Step::Kept)));
        assert_eq!(fs::read_to_string(&files.key).expect("text"), "precious\n");
    }

    #[test]
    fn creates_the_key_that_a_configuration_lacks() {
        let (_home, files) = home();
        let done = complete(&files, None, "store = \"file\"\n").expect("done");
        assert_eq!(done.config, Step::Kept);
        assert!(files.key.exists());
        assert!(complete(&files, None, "store = \"file\"\n").is_err(), "a complete configuration is refused");
    }

    #[test]
    fn says_which_line_a_configuration_lacks() {
        let (_home, files) = home();
        let done = complete(&files, Some(StoreKind::File), "[accounts.a]\n").expect("done");
        assert!(done.text(&files, None).contains("put store = \"file\" on its first line"));
        assert!(files.key.exists());
    }

    #[test]
    fn creates_the_key_at_the_configured_path() {
        let (home, files) = home();
        let place = home.path().join("elsewhere/key");
        let config = format!("store = \"file\"\nkey_file = {place:?}\n");
        complete(&files, None, &config).expect("done");
        assert!(place.exists() && !files.key.exists());
    }

    #[test]
    fn names_the_files_of_the_key_and_the_grants() {
        let (_home, files) = home();
        let text = begin(&files, StoreKind::File).expect("done").text(&files, None);
        for part in [
            files.key.to_str().expect("text"),
            files.grants.to_str().expect("text"),
            "who has both files",
            "imgurctl account add NAME",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
