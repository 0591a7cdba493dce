//! config.toml on disk. Changes preserve comments, links and concurrent edits.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use imgurd_proto::text::cause;
use imgurd_proto::text::printable_name;
use imgurd_proto::{Error, Settings};
use rustix::fs::OFlags;
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, value};

use super::account::{self, AccountConfig, RefreshPolicy};
use super::error::ConfigError;
use super::parse::{Config, parse};
use crate::durable;
use crate::ownership::{check_place, withheld};

/// As many links as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// The configuration file.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
}

impl ConfigFile {
    /// The configuration at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it exists.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// The directory that relative paths in it start from.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Reads the file; returns the defaults if there is none.
    pub fn load(&self) -> Result<Config, ConfigError> {
        parse(&self.read()?)
    }

    /// Adds an account.
    pub fn add(&self, name: &str, settings: &Settings, make_default: bool) -> Result<Config, Error> {
        account::check_name(name).map_err(|error| Error::invalid("account", error.reason))?;
        self.edit(|document| {
            if section(document, name)?.is_some() {
                let reason = format!(
                    "The account {name} already exists; to change it, see `imgurctl account set --help`"
                );
                return Err(Error::invalid("account", reason));
            }
            let mut table = Table::new();
            write_settings(&mut table, settings);
            check(&table)?;
            accounts(document)?.insert(name, Item::Table(table));
            if make_default || accounts(document)?.len() == 1 {
                document["default_account"] = value(name);
            }
            Ok(())
        })
    }

    /// Changes settings of an account.
    pub fn set(&self, name: &str, settings: &Settings, make_default: bool) -> Result<Config, Error> {
        self.edit(|document| {
            let table = section(document, name)?.ok_or_else(|| not_in_file(name))?;
            write_settings(table, settings);
            check(table)?;
            if make_default {
                document["default_account"] = value(name);
            }
            Ok(())
        })
    }

    /// Removes an account.
    pub fn remove(&self, name: &str) -> Result<Config, Error> {
        self.edit(|document| {
            accounts(document)?.remove(name).ok_or_else(|| not_in_file(name))?;
            if document.get("default_account").and_then(Item::as_str) == Some(name) {
                document.remove("default_account");
            }
            Ok(())
        })
    }

    /// Changes the current content of the file, which another program may have written. Writes it only if the result
    /// is valid.
    pub(super) fn edit(
        &self,
        change: impl FnOnce(&mut DocumentMut) -> Result<(), Error>,
    ) -> Result<Config, Error> {
        let before = self.read()?;
        parse(&before)?;
        let mut document: DocumentMut =
            before.parse().map_err(|error: toml_edit::TomlError| ConfigError::new("", error.to_string()))?;
        change(&mut document)?;
        let after = document.to_string();
        let config = parse(&after)?;
        if self.read()? != before {
            let reason =
                "Another program edited config.toml at the same moment, so imgurd changed nothing; try again";
            return Err(Error::unavailable(reason));
        }
        self.write(&after).map_err(|error| self.unwritable(&error))?;
        Ok(config)
    }

    fn read(&self) -> Result<String, ConfigError> {
        match self.text() {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => {
                let reason = format!(
                    "imgurd cannot read {} ({error}); fix that, then run `systemctl --user reload imgurd`",
                    self.path.display(),
                    error = cause(&error)
                );
                Err(ConfigError::new("", reason))
            }
        }
    }

    /// Reads the file. It decides where secrets are sent, so other users must not be able to write it or
    /// to replace a symlink that leads to it.
    fn text(&self) -> io::Result<String> {
        // A pipe instead of a file would block the daemon until a writer comes.
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&self.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        check_place(&self.path, &metadata)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.split(|byte| *byte == b'\n').count();
            io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
        })
    }

    /// Replaces the file that the path points to, so that a symlink stays a symlink.
    fn write(&self, text: &str) -> io::Result<()> {
        let target = self.target();
        let mode = fs::metadata(&target).map_or(0o600, |metadata| metadata.permissions().mode() & 0o777);
        durable::replace_with_mode(&target, text.as_bytes(), mode)
    }

    /// The file that the path leads to, which need not exist yet.
    fn target(&self) -> PathBuf {
        let mut target = self.path.clone();
        for _ in 0..MOST_LINKS {
            let Ok(link) = fs::read_link(&target) else { break };
            target = target.parent().unwrap_or(Path::new(".")).join(link);
        }
        fs::canonicalize(&self.path).unwrap_or(target)
    }

    fn unwritable(&self, error: &io::Error) -> Error {
        // A symlink may point to a place where the service may not write.
        let target = self.target();
        let advice = withheld(error, target.parent().unwrap_or(Path::new(".")));
        let advice = advice.unwrap_or_else(|| "fix that, then try again".to_owned());
        let reason =
            format!("imgurd cannot write {} ({error}); {advice}", self.path.display(), error = cause(&error));
        Error::Misconfigured { setting: String::new(), reason }
    }
}

fn accounts(document: &mut DocumentMut) -> Result<&mut Table, Error> {
    let item = document.entry("accounts").or_insert_with(parent);
    item.as_table_mut().ok_or_else(|| {
        let reason =
            "config.toml has its accounts in an inline table; write them as sections [accounts.NAME], then try again";
        Error::Misconfigured { setting: "accounts".to_owned(), reason: reason.to_owned() }
    })
}

/// An empty table that is written only as a part of its members' names.
pub(super) fn parent() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn section<'a>(document: &'a mut DocumentMut, name: &str) -> Result<Option<&'a mut Table>, Error> {
    Ok(accounts(document)?.get_mut(name).and_then(Item::as_table_mut))
}

fn write_settings(table: &mut Table, settings: &Settings) {
    let Ok(changes) = toml_edit::ser::to_document(settings) else {
        return;
    };
    merge(table, changes.as_table());
}

/// Merges changes. An empty value removes its setting; a table is merged key by key.
fn merge(known: &mut dyn TableLike, changes: &dyn TableLike) {
    for (key, change) in changes.iter() {
        if let Some(members) = change.as_table_like().filter(|members| !members.is_empty()) {
            let table = known.entry(key).or_insert_with(|| InlineTable::new().into());
            table.as_table_like_mut().into_iter().for_each(|table| merge(table, members));
        } else {
            known.insert(key, change.clone());
        }
        if known.get(key).is_some_and(is_empty) {
            known.remove(key);
        }
    }
}

fn is_empty(item: &Item) -> bool {
    item.as_str() == Some("")
        || item.as_array().is_some_and(toml_edit::Array::is_empty)
        || item.as_table_like().is_some_and(TableLike::is_empty)
}

/// Checks the settings before they are written, so that an error names the argument and not a line of the file.
fn check(table: &Table) -> Result<(), Error> {
    let settings: Settings = toml_edit::de::from_document(DocumentMut::from(table.clone()))
        .map_err(|error| Error::invalid("settings", error.to_string()))?;
    AccountConfig::new(settings, RefreshPolicy::default())
        .map(drop)
        .map_err(|error| Error::invalid(error.setting, error.reason))
}

fn not_in_file(name: &str) -> Error {
    let account = printable_name(name);
    let reason = format!("config.toml has no account {account}; see `imgurctl account list`");
    Error::NoSuchAccount { account, reason }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::Rule;
    use super::*;

    fn with_id(id: &str) -> Settings {
        Settings { client_id: Some(id.to_owned()), ..Settings::default() }
    }

    fn file(text: &str) -> (tempfile::TempDir, ConfigFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, text).unwrap();
        (directory, ConfigFile::new(path))
    }

    #[test]
    fn creates_the_file_and_makes_the_first_account_the_default() {
        let directory = tempfile::tempdir().unwrap();
        let file = ConfigFile::new(directory.path().join("imgurd/config.toml"));
        let config = file.add("mine", &with_id("abc"), false).unwrap();
        assert_eq!(config.default_account.as_deref(), Some("mine"));
        assert_eq!(file.load().unwrap(), config);
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn writes_through_a_link_to_a_file_that_does_not_exist_yet() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) =
            (directory.path().join("config.toml"), directory.path().join("dotfiles/imgurd.toml"));
        symlink("dotfiles/imgurd.toml", &link).unwrap();
        ConfigFile::new(link.clone()).add("mine", &with_id("abc"), false).unwrap();
        assert!(link.is_symlink());
        assert!(fs::read_to_string(target).unwrap().contains("[accounts.mine]"));
    }

    #[test]
    fn comments_survive_a_change() {
        let (_directory, file) =
            file("# mine\nstore = \"memory\" # for now\n\n[accounts.a] # first\nclient_id = \"x\"\n");
        file.set("a", &Settings { auto_refresh: Some(false), ..Settings::default() }, false).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(text.starts_with("# mine\nstore = \"memory\" # for now\n\n[accounts.a] # first\n"), "{text}");
        assert!(!file.load().unwrap().accounts["a"].auto_refresh);
    }

    #[test]
    fn access_rules_survive_a_change() {
        let (_directory, file) =
            file("[accounts.a]\nclient_id = \"x\"\n\n[accounts.a.access]\nremote = \"deny\"\n");
        let before = file.load().unwrap().access;
        let config =
            file.set("a", &Settings { auto_refresh: Some(false), ..Settings::default() }, false).unwrap();
        assert_eq!(config.access, before);
        assert_eq!(config.access.by_name("remote", "a"), Some(Rule::Deny));
    }

    #[test]
    fn a_symlink_remains_a_symlink() {
        let (directory, dotfiles) = file("");
        let link = directory.path().join("link.toml");
        symlink(dotfiles.path(), &link).unwrap();
        ConfigFile::new(link.clone()).add("a", &with_id("x"), false).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(dotfiles.path()).unwrap().contains("[accounts.a]"));
    }

    #[test]
    fn an_invalid_file_is_not_overwritten() {
        let (_directory, file) = file("store = \n");
        assert!(matches!(file.add("a", &with_id("x"), false), Err(Error::Misconfigured { .. })));
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "store = \n");
    }

    #[test]
    fn reports_the_line_that_is_not_utf_8() {
        let (_directory, file) = file("");
        fs::write(file.path(), b"store = \"memory\"\n# \xff\n").unwrap();
        let reason = file.load().unwrap_err().reason;
        assert!(reason.contains("line 2 is not UTF-8"), "{reason}");
    }

    #[test]
    fn an_empty_value_restores_the_default() {
        let (_directory, file) = file("[accounts.a]\nclient_id = \"x\"\nscope = \"all\"\n");
        let config =
            file.set("a", &Settings { scope: Some(String::new()), ..Settings::default() }, false).unwrap();
        assert_eq!(config.accounts["a"].scope, None);
    }

    #[test]
    fn parameters_are_added_replaced_and_removed_one_by_one() {
        let (_directory, file) = file(
            "[accounts.a]\nclient_id = \"x\"\n[accounts.a.auth_params]\nprompt = \"consent\" # asked\nhint = \"\"\n",
        );
        let set = |json: &str| {
            let settings = serde_json::from_str(&format!(r#"{{"auth_params":{json}}}"#)).unwrap();
            let config = file.set("a", &settings, false).unwrap();
            serde_json::to_string(&config.accounts["a"].auth_params).unwrap()
        };
        let odd = r#"{"hint":"","prompt":"consent","q":["a+b & c%20=","é","a+b & c%20="]}"#;
        assert_eq!(
            set(&odd.replace(r#""hint":"","prompt":"consent","#, "")),
            odd.replace("\\u00e9", "\u{e9}")
        );
        assert_eq!(set(r#"{"q":"one","hint":[]}"#), r#"{"prompt":"consent","q":"one"}"#);
        assert!(fs::read_to_string(file.path()).unwrap().contains("prompt = \"consent\" # asked\n"));
        assert_eq!(set(r#"{"q":"","prompt":""}"#), "{}");
        assert!(!fs::read_to_string(file.path()).unwrap().contains("auth_params"));
    }

    #[test]
    fn an_invalid_setting_is_named_and_changes_nothing() {
        let (_directory, file) = file("[accounts.a]\nclient_id = \"x\"\n");
        let settings = Settings { token_url: Some("http://as.example/".to_owned()), ..Settings::default() };
        let error = file.set("a", &settings, false).unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument { field, .. } if field == "token_url"), "{error}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "[accounts.a]\nclient_id = \"x\"\n");
    }

    #[test]
    fn removing_the_default_leaves_a_valid_file() {
        let (_directory, file) = file(
            "default_account = \"a\"\n[accounts.a]\nclient_id = \"x\"\n[accounts.b]\nclient_id = \"y\"\n",
        );
        let config = file.remove("a").unwrap();
        assert_eq!(config.default_account.as_deref(), Some("b"));
        assert!(matches!(file.remove("a"), Err(Error::NoSuchAccount { .. })));
    }
}
