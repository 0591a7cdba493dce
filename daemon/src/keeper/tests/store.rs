//! A store that hangs, is locked, or shows its dialog.

use tokio::sync::watch;

use super::*;

/// A store that can be locked, and reports when it is unlocked.
#[derive(Clone, Default)]
struct LockedStore {
    inner: MemoryStore,
    /// How often it was locked or unlocked; it is locked while this is even.
    unlocked: watch::Sender<Changes>,
}

impl LockedStore {
    fn answer<T: Send + 'static>(
        &self,
        answer: BoxFuture<'static, Result<T, StoreError>>,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        if self.unlocked.borrow().count % 2 == 1 {
            return answer;
        }
        Box::pin(std::future::ready(Err(StoreError::Unavailable("It is locked; unlock it".to_owned()))))
    }
}

impl TokenStore for LockedStore {
    fn load(&self, account: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        self.answer(self.inner.load(account))
    }

    fn save(
        &self,
        account: String,
        record: Record,
        if_missing: IfMissing,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        self.answer(self.inner.save(account, record, if_missing))
    }

    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(std::future::pending())
    }

    fn changes(&self) -> Option<watch::Receiver<Changes>> {
        Some(self.unlocked.subscribe())
    }
}

impl TokenStore for StuckStore {
    fn load(&self, account: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        self.inner.load(account)
    }

    fn save(
        &self,
        account: String,
        record: Record,
        if_missing: IfMissing,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        if account == self.stuck {
            Box::pin(std::future::pending())
        } else {
            self.inner.save(account, record, if_missing)
        }
    }

    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_store_delays_a_new_token_by_two_seconds_at_most() {
    let (keeper, server) = keeper(&[("stuck", NEW), ("other", EXPIRED)], "stuck", None).await;
    keeper.token(Some("stuck"), None, WAIT).await.unwrap();
    let before = Instant::now();
    assert_eq!(keeper.token(Some("other"), None, WAIT).await.unwrap().access_token, Secret::from("new 1"));
    assert_eq!(before.elapsed(), Duration::ZERO);

    let signed_in = keeper.accept("stuck", &began(&keeper, "stuck").unwrap(), login(), false).await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 2);
    assert!(signed_in.account.unsaved);
    assert_eq!(signed_in.account.username.as_deref(), Some("alice"));
    assert_eq!(keeper.token(Some("stuck"), None, WAIT).await.unwrap().access_token, Secret::from("LOGIN"));
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_unlock_dialog_delays_no_call() {
    let (keeper, server) = keeper(&[("a", NEW), ("b", EXPIRED)], "", None).await;
    let unlocking = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.unlock_store().await }
    });
    tokio::task::yield_now().await;
    let before = Instant::now();
    assert_eq!(keeper.token(Some("a"), None, WAIT).await.unwrap().access_token, Secret::from("old"));
    assert_eq!(keeper.token(Some("b"), None, WAIT).await.unwrap().access_token, Secret::from("new 1"));
    keeper.configure(Arc::new(config(&["a", "b", "c"]))).await.unwrap();
    assert!(matches!(keeper.token(Some("c"), None, WAIT).await, Err(Error::ConsentNeeded { .. })));
    keeper.refresh(Some("a"), WAIT).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(server.requests(), 2);
    assert!(!unlocking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn reads_and_writes_immediately_after_the_store_is_unlocked() {
    let store = LockedStore::default();
    store.inner.save("a".to_owned(), record(NEW), IfMissing::Create).await.unwrap();
    let server = Arc::new(Server::default());
    let clock = Arc::new(PausedClock(Instant::now()));
    let keeper = spawn(&config(&["a"]), Arc::new(server), Arc::new(store.clone()), clock);
    let mut watcher = keeper.watch(Some("a")).unwrap();
    // After an hour, the keeper's own attempts are far apart.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let before = Instant::now();
    store.unlocked.send_modify(|changes| changes.count += 1);
    while watcher.next().await.unwrap().state != State::Fresh {}
    assert_eq!(before.elapsed(), Duration::ZERO);

    store.unlocked.send_modify(|changes| changes.count += 1);
    keeper.accept("a", &began(&keeper, "a").unwrap(), login(), false).await.unwrap();
    tokio::time::sleep(Duration::from_mins(20)).await;
    assert!(keeper.account(None).unwrap().unsaved);
    let before = Instant::now();
    store.unlocked.send_modify(|changes| changes.count += 1);
    while watcher.next().await.unwrap().unsaved {}
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn sends_nothing_while_the_mark_cannot_be_saved() {
    let (keeper, server) = keeper(&[("a", EXPIRED)], "a", None).await;
    let error = keeper.token(None, None, WAIT).await.unwrap_err();
    assert!(matches!(error, Error::StoreUnavailable { .. }), "{error}");
    assert_eq!(server.requests(), 0);
}
