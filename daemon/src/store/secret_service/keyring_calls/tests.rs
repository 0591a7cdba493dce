use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use keyring::Credential;
use keyring::api::{CredentialApi, CredentialStoreApi};

use super::*;

/// A keyring in memory, with its faults.
#[derive(Default)]
struct Keyring {
    items: Mutex<HashMap<String, Vec<u8>>>,
    /// Who writes while this is not empty waits for its end; what begins is told.
    held: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
    connections: AtomicUsize,
    /// Fails once, as a session that is gone does.
    fails: AtomicBool,
    forgets: AtomicBool,
}

#[derive(Clone)]
struct Connected(Arc<Keyring>);

impl CredentialStoreApi for Connected {
    fn vendor(&self) -> String {
        "memory".to_owned()
    }

    fn id(&self) -> String {
        "memory".to_owned()
    }

    fn build(&self, _service: &str, user: &str, _: Option<&HashMap<&str, &str>>) -> keyring::Result<Entry> {
        Ok(Entry::new_with_credential(Arc::new(Found { keyring: self.0.clone(), user: user.to_owned() })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Found {
    keyring: Arc<Keyring>,
    user: String,
}

impl CredentialApi for Found {
    fn set_secret(&self, secret: &[u8]) -> keyring::Result<()> {
        let held = self.keyring.held.lock().unwrap().take();
        if let Some((begun, end)) = held {
            begun.send(()).unwrap();
            let _ = end.recv();
        }
        if !self.keyring.forgets.load(Ordering::Relaxed) {
            self.keyring.items.lock().unwrap().insert(self.user.clone(), secret.to_vec());
        }
        Ok(())
    }

    fn get_secret(&self) -> keyring::Result<Vec<u8>> {
        if self.keyring.fails.swap(false, Ordering::Relaxed) {
            return Err(KeyringError::PlatformFailure("no such session".into()));
        }
        self.keyring.items.lock().unwrap().get(&self.user).cloned().ok_or(KeyringError::NoEntry)
    }

    fn delete_credential(&self) -> keyring::Result<()> {
        Err(KeyringError::NotSupportedByStore("nothing is deleted".to_owned()))
    }

    fn get_credential(&self) -> keyring::Result<Option<Arc<Credential>>> {
        Ok(None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Keyring {
    /// Holds the next write; the first tells that it has begun, dropping the second lets it go on.
    fn hold(&self) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((begun, was_begun), (end, wait)) = (mpsc::channel(), mpsc::channel());
        *self.held.lock().unwrap() = Some((begun, wait));
        (was_begun, end)
    }
}

fn calls() -> (Arc<Keyring>, KeyringCalls, watch::Receiver<Changes>) {
    let (counter, changes) = watch::channel(Changes::default());
    (Arc::default(), KeyringCalls::new(counter), changes)
}

impl Keyring {
    /// It has this unique name.
    fn at(self: &Arc<Self>, owner: &'static str) -> super::Keyring {
        let keyring = self.clone();
        let connect = move || {
            keyring.connections.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::new(Connected(keyring.clone())) as Arc<CredentialStore>)
        };
        super::Keyring { owner: BusName::try_from(owner).unwrap(), connect: Box::new(connect) }
    }
}

/// A record with this text in it, as it is kept.
fn record(secret: &str) -> Zeroizing<Vec<u8>> {
    let record = crate::grant::Record { client_secret: Some(secret.into()), ..Default::default() };
    item::encode(&record).unwrap()
}

async fn write(
    keyring: &Arc<Keyring>,
    calls: &mut KeyringCalls,
    account: &str,
    secret: &str,
) -> Result<Item, StoreError> {
    calls.call(keyring.at(":1.1"), account, Call::Write(record(secret), IfMissing::Create)).await
}

async fn read(keyring: &Arc<Keyring>, calls: &mut KeyringCalls, account: &str) -> Result<Item, StoreError> {
    calls.call(keyring.at(":1.1"), account, Call::Read).await
}

/// Begins a write that does not end before the second is dropped, and returns when it was given up.
async fn abandoned(
    keyring: &Arc<Keyring>,
    calls: &mut KeyringCalls,
    account: &str,
    secret: &str,
) -> mpsc::Sender<()> {
    let (begun, end) = keyring.hold();
    tokio::time::pause(); // nothing but the bound can end it
    assert_eq!(write(keyring, calls, account, secret).await, Err(sentences::does_not_answer()));
    tokio::time::resume();
    begun.recv().unwrap();
    end
}

#[tokio::test]
async fn brings_back_what_was_written() {
    let (keyring, mut calls, _) = calls();
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(None));
    write(&keyring, &mut calls, "a", "one").await.unwrap();
    write(&keyring, &mut calls, "a", "two").await.unwrap();
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(Some(record("two"))));
    assert_eq!(read(&keyring, &mut calls, "b").await, Ok(None));
    assert_eq!(keyring.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn no_second_item_is_made_where_the_one_that_was_stored_is_not_shown() {
    let (keyring, mut calls, _) = calls();
    let missing = Call::Write(record("one"), IfMissing::Fail);
    assert_eq!(calls.call(keyring.at(":1.1"), "a", missing.clone()).await, Err(sentences::missing("a")));
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(None));
    write(&keyring, &mut calls, "a", "two").await.unwrap();
    calls.call(keyring.at(":1.1"), "a", missing).await.unwrap();
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(Some(record("one"))));
}

#[tokio::test]
async fn an_empty_item_is_none() {
    let (keyring, mut calls, _) = calls();
    keyring.items.lock().unwrap().insert("a".to_owned(), Vec::new());
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(None));
    write(&keyring, &mut calls, "a", "one").await.unwrap();
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(Some(record("one"))));
}

#[tokio::test]
async fn an_abandoned_write_is_never_overtaken_by_a_newer_one() {
    let (keyring, mut calls, mut changes) = calls();
    write(&keyring, &mut calls, "a", "one").await.unwrap();
    let end = abandoned(&keyring, &mut calls, "a", "two").await;

    assert_eq!(write(&keyring, &mut calls, "a", "three").await, Err(sentences::does_not_answer()));
    // Reading could raise a second dialog. Other items are not concerned.
    assert_eq!(read(&keyring, &mut calls, "a").await, Err(sentences::does_not_answer()));
    write(&keyring, &mut calls, "b", "other").await.unwrap();
    assert!(!changes.has_changed().unwrap());

    drop(end);
    changes.changed().await.unwrap();
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(Some(record("two"))));
    write(&keyring, &mut calls, "a", "three").await.unwrap();
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(Some(record("three"))));
}

#[tokio::test]
async fn a_keyring_that_owes_too_much_is_not_asked_again() {
    let (keyring, mut calls, mut changes) = calls();
    let mut ends = Vec::new();
    for number in 0..MOST_OWED {
        ends.push(abandoned(&keyring, &mut calls, &number.to_string(), "any").await);
    }
    assert_eq!(read(&keyring, &mut calls, "a").await, Err(sentences::does_not_answer()));
    ends.pop();
    changes.changed().await.unwrap();
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(None));
}

#[tokio::test]
async fn a_session_that_is_gone_is_made_anew() {
    let (keyring, mut calls, _) = calls();
    write(&keyring, &mut calls, "a", "one").await.unwrap();
    keyring.fails.store(true, Ordering::Relaxed);
    assert_eq!(read(&keyring, &mut calls, "a").await, Ok(Some(record("one"))));
    assert_eq!(keyring.connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_session_is_never_used_with_another_keyring() {
    let (keyring, mut calls, _) = calls();
    write(&keyring, &mut calls, "a", "one").await.unwrap();
    calls.call(keyring.at(":1.2"), "a", Call::Read).await.unwrap();
    assert_eq!(keyring.connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_write_that_was_not_kept_is_noticed() {
    let (keyring, mut calls, _) = calls();
    keyring.forgets.store(true, Ordering::Relaxed);
    assert_eq!(write(&keyring, &mut calls, "a", "one").await, Err(sentences::not_whole()));
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_not_overwritten() {
    let (keyring, mut calls, _) = calls();
    let newer = br#"{"version":2}"#.to_vec();
    keyring.items.lock().unwrap().insert("a".to_owned(), newer.clone());
    assert!(matches!(write(&keyring, &mut calls, "a", "one").await, Err(StoreError::Newer(_))));
    assert_eq!(keyring.items.lock().unwrap()["a"], newer);
}
