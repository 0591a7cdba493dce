use std::fs;
use std::os::unix::fs::PermissionsExt;

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
        lacks_new_refresh_token: false,
        refresh_expires_at: None,
        unverified: false,
    };
    Record { grant: Some(grant), ..Record::default() }
}

/// The names in the file; each has a time.
fn names(directory: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(path(directory)).unwrap_or_default();
    let name = |line: &str| {
        let (name, saved_at) = line.split_once(' ').unwrap();
        assert!(saved_at.parse::<i64>().unwrap() > 0);
        name.to_owned()
    };
    text.lines().map(name).collect()
}

/// As it is loaded, but for when it was stored.
fn without_time(loaded: Result<Option<Record>, StoreError>) -> Result<Option<Record>, StoreError> {
    Ok(loaded?.map(|record| Record { saved_at: None, ..record }))
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("stored")
}

async fn load<S: TokenStore>(store: &S) -> Result<Option<Record>, StoreError> {
    store.load("mytoken".into()).await
}

async fn save<S: TokenStore>(store: &S, record: Record) -> Result<(), StoreError> {
    store.save("mytoken".into(), record, IfMissing::Fail).await
}

/// A store that says no.
#[derive(Clone)]
struct Locked;

impl TokenStore for Locked {
    fn load(&self, _: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        ready(Err(StoreError::Unavailable("locked".into()))).boxed()
    }

    fn save(&self, _: String, _: Record, _: IfMissing) -> BoxFuture<'static, Result<(), StoreError>> {
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
    assert_eq!(without_time(load(&store).await), Ok(Some(Record::default())));
    assert!(!path(&directory).exists());
}

#[tokio::test]
async fn misses_a_grant_that_the_store_once_took() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    save(&store, record()).await.unwrap();
    assert_eq!(names(&directory), ["mytoken"]);
    assert_eq!(without_time(load(&store).await), Ok(Some(record())));

    let emptied = Witnessed::new(MemoryStore::default(), path(&directory));
    assert!(
        matches!(load(&emptied).await, Err(StoreError::Vanished(reason)) if reason.contains("imgurctl login mytoken"))
    );
    assert_eq!(emptied.load("another".into()).await, Ok(None));
}

#[tokio::test]
async fn forgets_a_grant_that_was_given_up() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    save(&store, record()).await.unwrap();
    store.save("another".into(), record(), IfMissing::Fail).await.unwrap();
    save(&store, Record::default()).await.unwrap();
    assert_eq!(names(&directory), ["another"]);
    assert_eq!(without_time(load(&store).await), Ok(Some(Record::default())));
}

#[tokio::test]
async fn tells_an_older_record_from_the_newest() {
    let directory = TempDir::new().unwrap();
    let memory = MemoryStore::default();
    let store = Witnessed::new(memory.clone(), path(&directory));
    save(&store, record()).await.unwrap();
    let older = load(&memory).await.unwrap().unwrap();
    save(&store, record()).await.unwrap();
    let newest = load(&memory).await.unwrap().unwrap();
    assert!(older.saved_at < newest.saved_at, "also within a millisecond");
    let restarted = || Witnessed::new(memory.clone(), path(&directory));
    let is_outdated = async |store: Witnessed<MemoryStore>| load(&store).await.unwrap().unwrap().is_outdated;

    assert!(!is_outdated(restarted()).await);
    save(&memory, older).await.unwrap();
    assert!(is_outdated(restarted()).await && is_outdated(restarted()).await, "however often it is read");
    save(&memory, record()).await.unwrap();
    assert!(!is_outdated(restarted()).await, "older versions wrote no time");
    save(&memory, newest).await.unwrap();
    assert!(!is_outdated(restarted()).await);
}

#[test]
fn the_time_of_a_record_is_later_than_the_last_however_the_clock_is_set() {
    let at = Timestamp::from_millis;
    assert_eq!(next(None, at(5)), at(5));
    assert_eq!(next(Some(at(4)), at(5)), at(5));
    assert_eq!(next(Some(at(500)), at(5)), at(501));
}

#[test]
fn lines_of_older_versions_are_read() {
    let known = parse("a\nb 7\nb\nc 8\n");
    let at = Timestamp::from_millis;
    // An older version has stored `b` since, at a time that nobody wrote down.
    assert_eq!(
        known.into_iter().collect::<Vec<_>>(),
        [("a".into(), None), ("b".into(), None), ("c".into(), Some(at(8)))]
    );
}

#[tokio::test]
async fn makes_up_for_a_line_that_a_crash_prevented() {
    let directory = TempDir::new().unwrap();
    let memory = MemoryStore::default();
    save(&memory, record()).await.unwrap();
    load(&Witnessed::new(memory, path(&directory))).await.unwrap();
    assert_eq!(fs::read_to_string(path(&directory)).unwrap(), "mytoken\n");
}

#[tokio::test]
async fn says_nothing_of_what_was_not_stored() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(Locked, path(&directory));
    assert!(save(&store, record()).await.is_err());
    assert!(!path(&directory).exists());

    save(&Witnessed::new(MemoryStore::default(), path(&directory)), record()).await.unwrap();
    assert!(save(&store, Record::default()).await.is_err());
    assert_eq!(names(&directory), ["mytoken"]);
}

#[tokio::test]
async fn stores_a_grant_even_where_the_line_cannot_be_written() {
    let directory = TempDir::new().unwrap();
    fs::create_dir_all(path(&directory).join("in the way")).unwrap();
    let memory = MemoryStore::default();
    let store = Witnessed::new(memory.clone(), path(&directory));
    assert_eq!(save(&store, record()).await, Ok(()));
    assert_eq!(without_time(load(&memory).await), Ok(Some(record())));
    assert_eq!(without_time(load(&store).await), Ok(Some(record())));
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
