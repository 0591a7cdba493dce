//! A store that fails in every way, except that it never claims to have saved what it did not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};

use super::chance::Chance;
use super::clock::{Parity, pass};
use super::world::{Shared, go_on};
use crate::grant::Record;
use crate::store::{Changes, IfMissing, StoreError, TokenStore};

/// The condition of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Fine,
    Slow,
    Failing,
    Locked,
    /// It reports failures for records that it has saved, or will save soon.
    Lying,
    /// It answers after it has recovered, or never.
    Hanging,
    /// It answers, but the saved items are missing.
    Empty,
}

/// When a write becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    AtOnce,
    AtTheEnd,
    /// After the store has reported a failure; before it begins another write.
    Late,
    Never,
}

/// A write in progress.
pub(super) struct Write {
    pub(super) record: Record,
    pub(super) landing: Landing,
}

/// The disk, and the connection to it.
pub(super) struct Store {
    pub(super) mood: Mood,
    pub(super) chance: Chance,
    /// What survives a crash.
    pub(super) durable: BTreeMap<String, Record>,
    pub(super) writes: BTreeMap<String, Write>,
    /// Writes that were reported as failed, but may still become durable.
    pub(super) late: BTreeMap<String, Record>,
    /// Counts changes, if this store can report them.
    pub(super) changes: Option<watch::Sender<Changes>>,
    /// Wakes hanging operations to look again, in the order of their arrival, which a `watch` does not guarantee.
    pub(super) moods: Arc<Notify>,
}

impl Store {
    pub(super) fn new(mut chance: Chance) -> Self {
        Self {
            mood: Mood::Fine,
            changes: chance.one_in(2).then(watch::Sender::default),
            chance,
            durable: BTreeMap::new(),
            writes: BTreeMap::new(),
            late: BTreeMap::new(),
            moods: Arc::default(),
        }
    }

    pub(super) fn turn(&mut self, mood: Mood) {
        let was = std::mem::replace(&mut self.mood, mood);
        self.moods.notify_waiters();
        if let Some(changes) = self.changes.as_ref().filter(|_| was != Mood::Fine && mood == Mood::Fine) {
            changes.send_modify(|changes| {
                changes.count += 1;
                changes.replaced += u64::from(was == Mood::Empty);
            });
        }
    }

    fn pause(&mut self) -> Duration {
        let longest = match self.mood {
            Mood::Slow | Mood::Hanging => 10_000,
            _ => self.chance.pick(&[1, 5, 100, 1_500]),
        };
        self.chance.span(Duration::from_millis(longest))
    }

    /// How long a write takes, its reported result, and when it becomes durable.
    fn plan_write(
        &mut self,
        account: &str,
        if_missing: IfMissing,
    ) -> (Duration, Result<(), StoreError>, Landing) {
        let early = if self.chance.one_in(3) { Landing::AtOnce } else { Landing::AtTheEnd };
        let has_grant = self.durable.get(account).is_some_and(Record::holds_a_grant);
        let (result, landing) = match self.mood {
            Mood::Empty if has_grant && if_missing == IfMissing::Fail => (Err(vanished()), Landing::Never),
            Mood::Fine | Mood::Slow | Mood::Empty => (Ok(()), early),
            Mood::Hanging if self.chance.one_in(2) => (Ok(()), early),
            Mood::Failing => (Err(full()), Landing::Never),
            Mood::Locked => (Err(locked()), Landing::Never),
            Mood::Lying | Mood::Hanging => {
                (Err(full()), self.chance.pick(&[early, Landing::Late, Landing::Never]))
            }
        };
        (self.pause(), result, landing)
    }

    fn read(&self, account: &str) -> Result<Option<Record>, StoreError> {
        let record = self.durable.get(account).cloned();
        match self.mood {
            Mood::Failing | Mood::Lying => Err(full()),
            Mood::Locked => Err(locked()),
            Mood::Empty if record.as_ref().is_some_and(Record::holds_a_grant) => Err(vanished()),
            Mood::Fine | Mood::Slow | Mood::Hanging | Mood::Empty => Ok(record),
        }
    }
}

/// `record` as it is read back, without the facts that only the process itself knows.
pub(super) fn as_written(record: &Record) -> Record {
    let mut record = record.clone();
    let displaced = record.displaced.iter_mut().map(|displaced| &mut displaced.grant);
    for access in record.grant.iter_mut().chain(displaced).filter_map(|grant| grant.access.as_mut()) {
        access.witnessed = false;
    }
    if let Some(refusal) = record.refusal.as_mut() {
        refusal.witnessed = false;
    }
    record
}

fn full() -> StoreError {
    StoreError::Unavailable("The disk is full; make room".to_owned())
}

fn vanished() -> StoreError {
    StoreError::Vanished("The grant is not there; unlock the keyring that held it".to_owned())
}

fn locked() -> StoreError {
    StoreError::Locked("The keyring is locked; unlock it".to_owned())
}

/// The store, for the keeper.
pub(super) struct SimulatedStore(pub(super) Shared);

impl TokenStore for SimulatedStore {
    fn load(&self, account: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        let world = self.0.clone();
        Box::pin(async move {
            let pause = world.lock().unwrap().store.pause();
            pass(&world, pause, Parity::Even).await;
            come_to(&world).await;
            let result = {
                let mut world = world.lock().unwrap();
                let result = world.store.read(&account);
                world.loaded(&account, &result);
                result
            };
            go_on(&world).await;
            result
        })
    }

    fn save(
        &self,
        account: String,
        record: Record,
        if_missing: IfMissing,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let shared = self.0.clone();
        let (pause, result) = {
            let mut world = shared.lock().unwrap();
            let (pause, result, landing) = world.store.plan_write(&account, if_missing);
            world.begins_to_write(&account, record, landing);
            (pause, result)
        };
        Box::pin(async move {
            go_on(&shared).await;
            if pause > Duration::from_millis(1) {
                pass(&shared, pause, Parity::Even).await;
            }
            come_to(&shared).await;
            shared.lock().unwrap().has_written(&account, &result);
            go_on(&shared).await;
            result
        })
    }

    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let world = self.0.clone();
        Box::pin(async move {
            pass(&world, Duration::from_secs(3), Parity::Even).await;
            let mut world = world.lock().unwrap();
            if world.store.mood == Mood::Locked {
                world.store.turn(Mood::Fine);
            }
            Ok(())
        })
    }

    fn changes(&self) -> Option<watch::Receiver<Changes>> {
        self.0.lock().unwrap().store.changes.as_ref().map(watch::Sender::subscribe)
    }
}

/// Returns when the store does not hang.
async fn come_to(world: &Shared) {
    let moods = world.lock().unwrap().store.moods.clone();
    loop {
        let changed = moods.notified();
        if world.lock().unwrap().store.mood != Mood::Hanging {
            break;
        }
        changed.await;
    }
    // The waiting operations answer in a later millisecond.
    pass(world, Duration::ZERO, Parity::Even).await;
}
