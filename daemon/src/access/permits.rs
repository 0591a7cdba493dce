//! The saved decisions about applications and accounts.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use imgurd_proto::text::cause;
use imgurd_proto::text::{is_printable, printable_name};
use imgurd_proto::{Error, Permit};
use serde::{Deserialize, Serialize};

use super::unix_time;
use crate::durable;
use crate::mutex::lock;
use crate::ownership::open_own;

const VERSION: u32 = 1;
/// Enough for everybody, and small enough to process quickly.
const MOST: usize = 4096;
/// The longest name, as for sandboxes and units (`systemd.unit(5)`).
const LONGEST: usize = 255;

/// The permits, and the file that stores them.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    known: Mutex<Known>,
    /// Counts the changes of `known`.
    generation: AtomicU64,
    /// Only one task at a time changes the file. `known` is not locked meanwhile.
    changing: Mutex<()>,
}

/// Permits by application, then by account.
type Table = BTreeMap<String, BTreeMap<String, Permit>>;

#[derive(Debug, Default)]
struct Known {
    table: Table,
    /// The problem with the file, if any. Then the table is empty.
    damage: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    permits: Vec<Permit>,
}

impl Permits {
    /// Loads the permits in the file at `path`, which need not exist.
    #[must_use]
    pub fn load(path: PathBuf) -> Self {
        let known = load(&path);
        if let Some(damage) = &known.damage {
            tracing::error!("{damage}");
        }
        let known = Mutex::new(known);
        Self(Arc::new(Shared { path, known, generation: AtomicU64::default(), changing: Mutex::default() }))
    }

    /// The saved decision about this application and this account.
    ///
    /// # Errors
    /// If the file is damaged: nobody knows what you denied.
    pub fn get(&self, application: &str, account: &str) -> Result<Option<bool>, Error> {
        let known = self.mended()?;
        let permit = known.table.get(application).and_then(|permits| permits.get(account));
        Ok(permit.map(|permit| permit.allow))
    }

    /// Since when this application may use this account, in Unix seconds, if a permit allows it.
    #[must_use]
    pub fn allowed_since(&self, application: &str, account: &str) -> Option<i64> {
        let known = self.known();
        known.table.get(application)?.get(account).filter(|permit| permit.allow).map(|permit| permit.since)
    }

    /// Increases with each change, before the call that made the change returns. Reading it takes no lock.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Whether the permits are known.
    ///
    /// # Errors
    /// If the file is damaged.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.mended().map(drop)
    }

    /// All permits.
    ///
    /// # Errors
    /// If the file is damaged.
    pub async fn all(&self) -> Result<Vec<Permit>, Error> {
        let permits = self.clone();
        tokio::task::spawn_blocking(move || permits.read()).await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Like [`all`](Self::all), but blocks while the disk does not respond.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn read(&self) -> Result<Vec<Permit>, Error> {
        Ok(permits(&self.examined()?.table).cloned().collect())
    }

    /// Saves a decision, and replaces the previous one.
    ///
    /// # Errors
    /// If the file is damaged, or cannot be written. Then nothing is saved.
    pub async fn set(&self, application: String, account: String, allow: bool) -> Result<(), Error> {
        // No application can have such a name, so the permit would have no effect.
        if application.is_empty() || application.len() > LONGEST || !is_printable(&application) {
            let reason = "an application's name must have 1 to 255 printable bytes; see `imgurctl permit list` for \
                          names";
            return Err(Error::invalid("application", reason));
        }
        self.change(move |table| {
            if permits(table).count() >= MOST {
                let reason =
                    format!("imgurd keeps at most {MOST} permits; revoke some with `imgurctl permit revoke`");
                return Err(Error::invalid("application", reason));
            }
            insert(table, Permit { application, account, allow, since: unix_time() });
            Ok(())
        })
        .await
    }

    /// Deletes a decision.
    ///
    /// # Errors
    /// If there is no such decision, or the file is damaged or cannot be written.
    pub async fn remove(&self, application: String, account: String) -> Result<(), Error> {
        self.change(move |table| {
            if table.get_mut(&application).and_then(|permits| permits.remove(&account)).is_some() {
                return Ok(());
            }
            let (application, account) = (printable_name(&application), printable_name(&account));
            let reason =
                format!("There is no permit for {application} and {account}; see `imgurctl permit list`");
            Err(Error::invalid("application", reason))
        })
        .await
    }

    /// Deletes all decisions about an account.
    ///
    /// # Errors
    /// If the file is damaged or cannot be written.
    pub async fn remove_account(&self, account: String) -> Result<(), Error> {
        if self.all().await?.iter().all(|permit| permit.account != account) {
            return Ok(());
        }
        self.change(move |table| {
            for permits in table.values_mut() {
                permits.remove(&account);
            }
            Ok(())
        })
        .await
    }

    /// Writes the file before the change takes effect. The change completes even if the caller disconnects.
    async fn change(
        &self,
        change: impl FnOnce(&mut Table) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let permits = self.clone();
        let changed = tokio::task::spawn_blocking(move || {
            let _turn = lock(&permits.0.changing);
            let mut table = permits.examined()?.table.clone();
            change(&mut table)?;
            write(&permits.0.path, &table).map_err(|error| unwritable(&permits.0.path, &error))?;
            permits.replace(&mut permits.known(), Known { table, damage: None });
            Ok(())
        });
        changed.await.unwrap_or_else(|_| Err(stopping()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.0.known)
    }

    /// What is known. If the file was damaged, it is read again, in case it was repaired.
    fn mended(&self) -> Result<MutexGuard<'_, Known>, Error> {
        let known = self.known();
        if known.damage.is_none() {
            return Ok(known);
        }
        drop(known);
        self.examined()
    }

    /// What is known, after a look at the file: another program may have damaged or repaired it.
    fn examined(&self) -> Result<MutexGuard<'_, Known>, Error> {
        // A disk that does not respond must not hold up those who need what is known.
        let found = load(&self.0.path);
        let mut known = self.known();
        if found.damage != known.damage {
            if let Some(damage) = &found.damage {
                tracing::error!("{damage}");
            }
            self.replace(&mut known, found);
        }
        match &known.damage {
            Some(damage) => Err(damaged(damage)),
            None => Ok(known),
        }
    }

    fn replace(&self, known: &mut Known, new: Known) {
        *known = new;
        self.0.generation.fetch_add(1, Ordering::Release);
    }
}

fn permits(table: &Table) -> impl Iterator<Item = &Permit> {
    table.values().flat_map(BTreeMap::values)
}

fn insert(table: &mut Table, permit: Permit) {
    table.entry(permit.application.clone()).or_default().insert(permit.account.clone(), permit);
}

fn load(path: &Path) -> Known {
    match read(path) {
        Ok(table) => Known { table, damage: None },
        Err(why) => {
            let shown = path.display();
            let damage = format!(
                "imgurd gives tokens only to programs that a rule in config.toml names, because {shown} {why}; repair \
                 the file, or remove it and decide again with `imgurctl permit`"
            );
            Known { table: Table::new(), damage: Some(damage) }
        }
    }
}

fn read(path: &Path) -> Result<Table, String> {
    let file = match open_own(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Table::new());
        }
        Err(error) => return Err(format!("cannot be read ({error})", error = cause(&error))),
    };
    let metadata =
        file.metadata().map_err(|error| format!("cannot be examined ({error})", error = cause(&error)))?;
    if metadata.mode() & 0o022 != 0 {
        return Err("is writable by other users".to_owned());
    }
    let text = io::read_to_string(file)
        .map_err(|error| format!("cannot be read ({error})", error = cause(&error)))?;
    let content: Content =
        serde_json::from_str(&text).map_err(|error| format!("cannot be parsed ({error})"))?;
    if content.version != VERSION {
        return Err(format!("was written by another version of imgurd ({})", content.version));
    }
    let mut table = Table::new();
    content.permits.into_iter().for_each(|permit| insert(&mut table, permit));
    Ok(table)
}

fn write(path: &Path, table: &Table) -> io::Result<()> {
    let content = Content { version: VERSION, permits: permits(table).cloned().collect() };
    durable::replace_json(path, &content)
}

fn damaged(damage: &str) -> Error {
    Error::StoreUnavailable { reason: damage.to_owned() }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let reason = format!(
        "imgurd cannot write {} ({error}); fix that, then try again",
        path.display(),
        error = cause(&error)
    );
    Error::StoreUnavailable { reason }
}

pub(super) fn stopping() -> Error {
    Error::unavailable("imgurd is stopping; try again in a moment")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn set(permits: &Permits, application: &str, allow: bool) -> Result<(), Error> {
        permits.set(application.to_owned(), "me".to_owned(), allow).await
    }

    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("imgurd/permits");
        (home, path)
    }

    #[tokio::test]
    async fn permits_survive_a_restart_in_a_private_file() {
        let (_home, path) = home();
        let permits = Permits::load(path.clone());
        assert_eq!(permits.get("org.example.App", "me"), Ok(None));
        set(&permits, "org.example.App", false).await.unwrap();
        set(&permits, "org.example.App", true).await.unwrap();
        set(&permits, "org.example.Other", false).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Permits::load(path);
        assert_eq!(again.all().await.unwrap(), permits.all().await.unwrap());
        assert_eq!(again.get("org.example.App", "me"), Ok(Some(true)));
        assert_eq!(again.get("org.example.App", "you"), Ok(None));
        assert_eq!(again.get("org.example.Other", "me"), Ok(Some(false)));
        again.remove("org.example.App".to_owned(), "me".to_owned()).await.unwrap();
        assert_eq!(again.get("org.example.App", "me"), Ok(None));
        let twice = again.remove("org.example.App".to_owned(), "me".to_owned()).await;
        assert!(matches!(twice, Err(Error::InvalidArgument { .. })), "{twice:?}");
    }

    #[tokio::test]
    async fn a_damaged_file_is_reported_and_kept_until_repaired() {
        let (home, path) = home();
        fs::create_dir(home.path().join("imgurd")).unwrap();
        for damage in ["{\"version\":1,\"perm", "{\"version\":2,\"permits\":[]}", "\u{0}\u{0}"] {
            fs::write(&path, damage).unwrap();
            let permits = Permits::load(path.clone());
            let read = permits.all().await;
            assert!(
                matches!(&read, Err(Error::StoreUnavailable { reason }) if reason.contains("permits")),
                "{read:?}"
            );
            let kept = set(&permits, "org.example.App", true).await;
            assert!(matches!(kept, Err(Error::StoreUnavailable { .. })), "{kept:?}");
            assert!(permits.get("org.example.App", "me").is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), damage);
            fs::remove_file(&path).unwrap();
            assert_eq!(permits.get("org.example.App", "me"), Ok(None));
            set(&permits, "org.example.App", true).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_file_that_is_damaged_while_imgurd_runs_is_not_overwritten() {
        let (_home, path) = home();
        let permits = Permits::load(path.clone());
        set(&permits, "org.example.App", false).await.unwrap();
        fs::write(&path, "{\"x").unwrap();
        assert!(set(&permits, "org.example.Other", true).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"x");
        assert!(permits.get("org.example.App", "me").is_err());
    }

    #[tokio::test]
    async fn ignores_a_file_that_others_can_write() {
        let (_home, path) = home();
        let permits = Permits::load(path.clone());
        set(&permits, "org.example.App", true).await.unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        let again = Permits::load(path);
        let read = again.get("org.example.App", "me").unwrap_err();
        assert!(read.to_string().contains("writable by other users"), "{read}");
    }

    #[tokio::test]
    async fn a_permit_that_cannot_be_saved_does_not_apply() {
        let (home, path) = home();
        let permits = Permits::load(path);
        fs::write(home.path().join("imgurd"), "in the way").unwrap();
        assert!(set(&permits, "org.example.App", true).await.is_err());
        assert_eq!(permits.get("org.example.App", "me"), Ok(None));
    }
}
