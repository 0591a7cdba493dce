use std::os::unix::fs::PermissionsExt;

use futures_util::future::{BoxFuture, join_all};
use tempfile::TempDir;

use super::*;
use crate::grant::Secret;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Directories for one test.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { directory: TempDir::new().unwrap() };
        home.set_key(KEY);
        home
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state/imgurd")
    }

    fn path(&self) -> PathBuf {
        self.state().join("grants.keyring")
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    fn set_key(&self, key: &str) {
        durable::replace(&self.key(), format!("{key}\n").as_bytes()).unwrap();
    }

    fn store(&self) -> FileStore {
        FileStore::new(self.path(), KeySource::File(self.key()))
    }

    /// The names of the files in the state directory.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.state()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn record(secret: &str) -> Record {
    Record { client_secret: Some(Secret::from(secret)), ..Record::default() }
}

async fn load(store: &FileStore) -> Result<Option<Record>, StoreError> {
    store.load("mytoken".into()).await
}

async fn save(store: &FileStore, secret: &str) -> Result<(), StoreError> {
    store.save("mytoken".into(), record(secret), IfMissing::Create).await
}

fn reason<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(reason)) => reason,
        other => panic!("{other:?} is not unavailable"),
    }
}

/// Writes an item like another version would.
async fn put_raw(home: &Home, bytes: &[u8]) {
    let keyring = UnlockedKeyring::load(home.path(), oo7::Secret::text(KEY)).await.unwrap();
    keyring
        .create_item("imgurd: mytoken", &attributes("mytoken"), oo7::Secret::blob(bytes), true)
        .await
        .unwrap();
}

#[tokio::test]
async fn returns_the_saved_record() {
    let home = Home::new();
    let store = home.store();
    assert_eq!(load(&store).await, Ok(None));
    save(&store, "one").await.unwrap();
    save(&store, "two").await.unwrap();
    assert_eq!(load(&store).await, Ok(Some(record("two"))));
    assert_eq!(load(&home.store()).await, Ok(Some(record("two"))), "another daemon reads the saved record");
    assert_eq!(store.load("another".into()).await, Ok(None));
}

#[tokio::test]
async fn creates_no_file_before_the_first_save() {
    let home = Home::new();
    assert_eq!(load(&home.store()).await, Ok(None));
    assert!(!home.state().exists());
}

#[tokio::test]
async fn the_file_is_private_and_encrypted() {
    let home = Home::new();
    save(&home.store(), "a-client-secret").await.unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.state()), 0o700);
    assert_eq!(mode(home.path()), 0o600);
    let content = fs::read(home.path()).unwrap();
    for plain in ["a-client-secret", "mytoken"] {
        assert!(!content.windows(plain.len()).any(|part| part == plain.as_bytes()));
    }
}

#[tokio::test]
async fn items_have_the_attributes_of_the_desktop_keyring() {
    let home = Home::new();
    save(&home.store(), "one").await.unwrap();
    let keyring = UnlockedKeyring::load(home.path(), oo7::Secret::text(KEY)).await.unwrap();
    let items = keyring.search_items(&[("service", "imgurd"), ("username", "mytoken")]).await.unwrap();
    assert_eq!(items.len(), 1);
}

#[tokio::test]
async fn simultaneous_saves_do_not_affect_each_other() {
    let home = Home::new();
    let store = home.store();
    let accounts: Vec<String> = (0..20).map(|number| format!("account-{number}")).collect();
    let saves =
        accounts.iter().map(|account| store.save(account.clone(), record(account), IfMissing::Create));
    assert!(join_all(saves).await.into_iter().all(|saved| saved.is_ok()));
    let again = home.store();
    for account in &accounts {
        assert_eq!(again.load(account.clone()).await, Ok(Some(record(account))));
    }
}

#[tokio::test]
async fn finishes_a_save_without_a_waiting_caller() {
    let home = Home::new();
    let store = home.store();
    load(&store).await.unwrap();
    let mut saving = save_boxed(&store, "one");
    assert!(futures_util::poll!(&mut saving).is_pending());
    drop(saving);
    assert_eq!(load(&store).await, Ok(Some(record("one"))), "the load waits for the save");
}

fn save_boxed(store: &FileStore, secret: &str) -> BoxFuture<'static, Result<(), StoreError>> {
    store.save("mytoken".into(), record(secret), IfMissing::Create)
}

#[tokio::test]
async fn refuses_another_key_and_changes_nothing() {
    let home = Home::new();
    save(&home.store(), "one").await.unwrap();
    let before = fs::read(home.path()).unwrap();
    home.set_key("another key, just as long as that");
    let store = home.store();
    for reason in
        [reason(load(&store).await), reason(save(&store, "two").await), reason(store.unlock().await)]
    {
        assert!(reason.contains("another key than the one in"), "{reason}");
    }
    assert_eq!(fs::read(home.path()).unwrap(), before);

    home.set_key(KEY);
    assert_eq!(load(&store).await, Ok(Some(record("one"))), "the old key still decrypts the file");
}

#[tokio::test]
async fn says_what_to_do_without_a_key() {
    let home = Home::new();
    fs::remove_file(home.key()).unwrap();
    let reason = reason(load(&home.store()).await);
    assert!(
        reason.contains("from your backup") && reason.ends_with("run `imgurctl init --store file`"),
        "{reason}"
    );
}

#[tokio::test]
async fn needs_the_key_only_to_open_the_file() {
    let home = Home::new();
    let store = home.store();
    save(&store, "one").await.unwrap();
    fs::remove_file(home.key()).unwrap();
    assert_eq!(save(&store, "two").await, Ok(()));
    reason(store.unlock().await);
    home.set_key(KEY);
    assert_eq!(load(&store).await, Ok(Some(record("two"))));
}

#[tokio::test]
async fn refuses_a_key_that_others_may_read() {
    let home = Home::new();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(home.key(), fs::Permissions::from_mode(mode)).unwrap();
        let reason = reason(load(&home.store()).await);
        assert!(reason.ends_with(&format!("run `chmod 600 {}`", home.key().display())), "{reason}");
    }
    let credential = FileStore::new(home.path(), KeySource::Credential(home.key()));
    assert_eq!(load(&credential).await, Ok(None), "the mode of a systemd credential is not checked");
}

#[tokio::test]
async fn refuses_a_short_key() {
    let home = Home::new();
    home.set_key("   fifteen letters   ");
    assert!(reason(load(&home.store()).await).contains("fewer than 16"));
}

#[tokio::test]
async fn does_not_overwrite_an_item_of_a_newer_version() {
    let home = Home::new();
    let store = home.store();
    save(&store, "one").await.unwrap();
    put_raw(&home, br#"{"version":2}"#).await;
    let before = fs::read(home.path()).unwrap();
    assert!(matches!(load(&store).await, Err(StoreError::Newer(_))));
    assert!(matches!(save(&store, "two").await, Err(StoreError::Newer(_))));
    assert_eq!(fs::read(home.path()).unwrap(), before);
    assert_eq!(store.save("another".into(), record("two"), IfMissing::Create).await, Ok(()));
    assert!(matches!(load(&store).await, Err(StoreError::Newer(_))));
}

#[tokio::test]
async fn does_not_overwrite_a_damaged_file() {
    let home = Home::new();
    save(&home.store(), "one").await.unwrap();
    let whole = fs::read(home.path()).unwrap();
    for damaged in [&b""[..], b"garbage", &whole[..whole.len() / 2], &whole[..whole.len() - 1]] {
        fs::write(home.path(), damaged).unwrap();
        let store = home.store();
        assert!(reason(load(&store).await).contains("damaged"));
        assert!(reason(save(&store, "two").await).contains("damaged"));
        assert_eq!(fs::read(home.path()).unwrap(), damaged);
    }
}

#[tokio::test]
async fn reads_a_restored_backup_without_a_restart() {
    let home = Home::new();
    let store = home.store();
    save(&store, "one").await.unwrap();
    let backup = fs::read(home.path()).unwrap();
    save(&store, "two").await.unwrap();
    durable::replace(&home.path(), &backup).unwrap();
    assert_eq!(load(&store).await, Ok(Some(record("one"))));
    save(&store, "three").await.unwrap();
    assert_eq!(load(&home.store()).await, Ok(Some(record("three"))));
}

#[tokio::test]
async fn removes_files_left_by_a_crash() {
    let home = Home::new();
    save(&home.store(), "one").await.unwrap();
    fs::write(home.state().join(".tmpkeyring0011223344556677"), "half a keyring").unwrap();
    fs::remove_file(home.state().join("grants.keyring.work")).unwrap();
    fs::write(home.state().join("grants.keyring.work"), "half a keyring").unwrap();
    let store = home.store();
    assert_eq!(load(&store).await, Ok(Some(record("one"))));
    save(&store, "two").await.unwrap();
    assert_eq!(home.names(), ["grants.keyring", "grants.keyring.work"]);
}

#[tokio::test]
async fn keeps_the_old_record_if_a_save_fails() {
    let home = Home::new();
    let store = home.store();
    save(&store, "one").await.unwrap();
    // A directory instead of the second file makes even root fail.
    fs::remove_file(home.state().join("grants.keyring.work")).unwrap();
    fs::create_dir_all(home.state().join("grants.keyring.work/in the way")).unwrap();
    assert!(reason(save(&store, "two").await).contains("cannot be created"));
    assert_eq!(
        load(&store).await,
        Ok(Some(record("one"))),
        "the old record is readable after the failed save"
    );
    fs::remove_dir_all(home.state().join("grants.keyring.work")).unwrap();
    assert_eq!(
        load(&store).await,
        Ok(Some(record("one"))),
        "the failed save did not change the cached record"
    );
}

#[tokio::test]
async fn notices_an_incomplete_write() {
    let home = Home::new();
    save(&home.store(), "one").await.unwrap();
    let keyring = UnlockedKeyring::load(home.path(), oo7::Secret::text(KEY)).await.unwrap();
    let whole = fs::read(home.path()).unwrap();
    let kept = oo7::Secret::blob(&*item::encode(&record("one")).unwrap());
    assert!(is_whole(&keyring, &home.path(), "mytoken", &kept).await.unwrap());
    assert!(!is_whole(&keyring, &home.path(), "mytoken", &oo7::Secret::blob(b"another")).await.unwrap());
    for length in 0..whole.len() {
        fs::write(home.path(), &whole[..length]).unwrap();
        assert!(!is_whole(&keyring, &home.path(), "mytoken", &kept).await.unwrap_or(false));
    }
}
