use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use futures_util::future::ready;
use tempfile::TempDir;

use super::*;
use crate::grant::{Grant, Issuer, Timestamp};
use crate::store::MemoryStore;

fn record() -> Record {
    let issuer = Issuer {
        client_id: "id".into(),
        origin: "https://api.imgur.com".into(),
        token_url: None,
        identifier: None,
    };
    let grant = Grant {
        generation: 1,
        issuer,
        refresh_token: Some("a-token".into()),
        access: None,
        username: None,
        account_id: None,
        granted_at: Timestamp::default(),
        kept: 0,
        refresh_expires_at: None,
        unverified: false,
    };
    Record { grant: Some(grant), ..Record::default() }
}

fn lines(directory: &TempDir) -> String {
    fs::read_to_string(path(directory)).unwrap_or_default()
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("stored")
}

async fn load<S: TokenStore>(store: &S) -> Result<Option<Record>, StoreError> {
    store.load("mytoken".into()).await
}

async fn save<S: TokenStore>(store: &S, record: Record) -> Result<(), StoreError> {
    store.save("mytoken".into(), record).await
}

/// A store that says no.
#[derive(Clone)]
struct Locked;

impl TokenStore for Locked {
    fn load(&self, _: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        ready(Err(StoreError::Unavailable("locked".into()))).boxed()
    }

    fn save(&self, _: String, _: Record) -> BoxFuture<'static, Result<(), StoreError>> {
        ready(Err(StoreError::Unavailable("locked".into()))).boxed()
    }

    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }
}

#[tokio::test]
async fn believes_an_empty_store_that_was_never_given_anything() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    assert_eq!(load(&store).await, Ok(None));
    save(&store, Record::default()).await.unwrap();
    assert_eq!(load(&store).await, Ok(Some(Record::default())));
    assert!(!path(&directory).exists());
}

#[tokio::test]
async fn misses_a_grant_that_the_store_once_took() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    save(&store, record()).await.unwrap();
    assert_eq!(lines(&directory), "mytoken\n");
    assert_eq!(load(&store).await, Ok(Some(record())));

    let emptied = Witnessed::new(MemoryStore::default(), path(&directory));
    assert!(
        matches!(load(&emptied).await, Err(StoreError::Vanished(reason)) if reason.contains("imgurctl logout mytoken"))
    );
    assert_eq!(emptied.load("another".into()).await, Ok(None));
}

#[tokio::test]
async fn forgets_a_grant_that_was_given_up() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    save(&store, record()).await.unwrap();
    store.save("another".into(), record()).await.unwrap();
    save(&store, Record::default()).await.unwrap();
    assert_eq!(lines(&directory), "another\n");
    assert_eq!(load(&store).await, Ok(Some(Record::default())));
}

#[tokio::test]
async fn writes_nothing_when_nothing_changes() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    save(&store, record()).await.unwrap();
    let before = fs::metadata(path(&directory)).unwrap().ino();
    save(&store, record()).await.unwrap();
    load(&store).await.unwrap();
    assert_eq!(fs::metadata(path(&directory)).unwrap().ino(), before);
}

#[tokio::test]
async fn makes_up_for_a_line_that_a_crash_prevented() {
    let directory = TempDir::new().unwrap();
    let memory = MemoryStore::default();
    save(&memory, record()).await.unwrap();
    load(&Witnessed::new(memory, path(&directory))).await.unwrap();
    assert_eq!(lines(&directory), "mytoken\n");
}

#[tokio::test]
async fn says_nothing_of_what_was_not_stored() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(Locked, path(&directory));
    assert!(save(&store, record()).await.is_err());
    assert!(!path(&directory).exists());

    save(&Witnessed::new(MemoryStore::default(), path(&directory)), record()).await.unwrap();
    assert!(save(&store, Record::default()).await.is_err());
    assert_eq!(lines(&directory), "mytoken\n");
}

#[tokio::test]
async fn stores_a_grant_even_where_the_line_cannot_be_written() {
    let directory = TempDir::new().unwrap();
    fs::create_dir_all(path(&directory).join("in the way")).unwrap();
    let memory = MemoryStore::default();
    let store = Witnessed::new(memory.clone(), path(&directory));
    assert_eq!(save(&store, record()).await, Ok(()));
    assert_eq!(load(&memory).await, Ok(Some(record())));
    assert_eq!(load(&store).await, Ok(Some(record())));
    assert!(matches!(store.load("another".into()).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn keeps_its_file_to_its_owner() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), directory.path().join("imgurd/stored"));
    save(&store, record()).await.unwrap();
    let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("imgurd"), 0o700);
    assert_eq!(mode("imgurd/stored"), 0o600);
}
