use std::fs;
use std::os::unix::fs::PermissionsExt;

use futures_util::future::{BoxFuture, ready};
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
        scope: None,
        granted_at: Timestamp::default(),
        kept: 0,
        lacks_new_refresh_token: false,
        refresh_expires_at: None,
        unverified: false,
    };
    Record { grant: Some(grant), ..Record::default() }
}

/// The names in the file. Each one must have a time.
fn names(directory: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(path(directory)).unwrap_or_default();
    let name = |line: &str| {
        let (name, saved_at) = line.split_once(' ').unwrap();
        assert!(saved_at.parse::<i64>().unwrap() > 0);
        name.to_owned()
    };
    text.lines().map(name).collect()
}

/// A loaded record without the time of saving.
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

/// A store that is locked.
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
async fn accepts_an_empty_store_before_the_first_grant() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    assert_eq!(load(&store).await, Ok(None));
    save(&store, Record::default()).await.unwrap();
    assert_eq!(without_time(load(&store).await), Ok(Some(Record::default())));
    assert!(!path(&directory).exists());
}

#[tokio::test]
async fn notices_a_missing_grant() {
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
async fn forgets_a_deleted_grant() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), path(&directory));
    save(&store, record()).await.unwrap();
    store.save("another".into(), record(), IfMissing::Fail).await.unwrap();
    save(&store, Record::default()).await.unwrap();
    assert_eq!(names(&directory), ["another"]);
    assert_eq!(without_time(load(&store).await), Ok(Some(Record::default())));
}

#[tokio::test]
async fn recognises_an_outdated_record() {
    let directory = TempDir::new().unwrap();
    let memory = MemoryStore::default();
    let store = Witnessed::new(memory.clone(), path(&directory));
    save(&store, record()).await.unwrap();
    let older = load(&memory).await.unwrap().unwrap();
    save(&store, record()).await.unwrap();
    let newest = load(&memory).await.unwrap().unwrap();
    assert!(older.saved_at < newest.saved_at, "the times differ even within a millisecond");
    let restarted = || Witnessed::new(memory.clone(), path(&directory));
    let is_outdated = async |store: Witnessed<MemoryStore>| load(&store).await.unwrap().unwrap().is_outdated;

    assert!(!is_outdated(restarted()).await);
    save(&memory, older).await.unwrap();
    assert!(
        is_outdated(restarted()).await && is_outdated(restarted()).await,
        "the record is outdated at every read"
    );
    save(&memory, record()).await.unwrap();
    assert!(!is_outdated(restarted()).await, "a record of an older version, without a time, is not outdated");
    save(&memory, newest).await.unwrap();
    assert!(!is_outdated(restarted()).await);
}

#[test]
fn record_times_increase_even_if_the_clock_is_set_back() {
    let at = Timestamp::from_millis;
    assert_eq!(next(None, at(5)), at(5));
    assert_eq!(next(Some(at(4)), at(5)), at(5));
    assert_eq!(next(Some(at(500)), at(5)), at(501));
}

#[test]
fn reads_lines_of_older_versions() {
    let known = parse("a\nb 7\nb\nc 8\n");
    let at = Timestamp::from_millis;
    // An older version has saved `b` since, at an unknown time.
    assert_eq!(
        known.into_iter().collect::<Vec<_>>(),
        [("a".into(), None), ("b".into(), None), ("c".into(), Some(at(8)))]
    );
}

#[tokio::test]
async fn adds_a_line_that_a_crash_prevented() {
    let directory = TempDir::new().unwrap();
    let memory = MemoryStore::default();
    save(&memory, record()).await.unwrap();
    load(&Witnessed::new(memory, path(&directory))).await.unwrap();
    assert_eq!(fs::read_to_string(path(&directory)).unwrap(), "mytoken\n");
}

#[tokio::test]
async fn writes_no_line_for_a_failed_save() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(Locked, path(&directory));
    assert!(save(&store, record()).await.is_err());
    assert!(!path(&directory).exists());

    save(&Witnessed::new(MemoryStore::default(), path(&directory)), record()).await.unwrap();
    assert!(save(&store, Record::default()).await.is_err());
    assert_eq!(names(&directory), ["mytoken"]);
}

#[tokio::test]
async fn saves_a_grant_even_if_its_line_cannot_be_written() {
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
async fn creates_a_private_file() {
    let directory = TempDir::new().unwrap();
    let store = Witnessed::new(MemoryStore::default(), directory.path().join("imgurd/stored"));
    save(&store, record()).await.unwrap();
    let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("imgurd"), 0o700);
    assert_eq!(mode("imgurd/stored"), 0o600);
}
