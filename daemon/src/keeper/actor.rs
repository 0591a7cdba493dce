//! The one task that owns all accounts. It never waits for a server, a store or a caller: separate tasks do that and send their
//! results back as messages.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use imgurd_proto::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::account::{Ask, Began, Effect, Event, Machine, Now, Progress, Snapshot, Ticket};
use super::calls::CallLog;
use super::directory::Directory;
use super::effects::EffectRunner;
use super::slots::{Slot, Slots};
use super::{Keeper, gone};
use crate::clock::Clock;
use crate::config::Config;
use crate::provider::{Provider, TokenOwner};
use crate::random;
use crate::store::{Changes, TokenStore};

/// The difference between the wall clock and the uptime that counts as a set clock, in milliseconds. Smaller
/// corrections by a time daemon affect both.
const CLOCK_SET: i64 = 1000;

/// The capacity of the actor's queue. Senders wait when it is full; there are at most as many as callers.
const QUEUE: usize = 64;

/// The source of random numbers in 0..1. A simulation replaces it, to be repeatable.
pub(super) type Dice = Box<dyn FnMut() -> f64 + Send>;

/// What a handle or one of the actor's own tasks has the actor do.
pub(super) type Message = Box<dyn FnOnce(&mut Actor) + Send>;

pub(super) type Answerer = oneshot::Sender<Result<Progress, Error>>;

pub(super) struct Actor {
    runner: EffectRunner,
    /// Has this actor do more, once something has ended that it started.
    own: mpsc::Sender<Message>,
    pub(super) clock: Arc<dyn Clock>,
    /// The wall clock minus the uptime, in milliseconds. It changes when the clock is set.
    epoch: i64,
    dice: Dice,
    calls: Arc<CallLog>,
    pub(super) slots: Slots,
    waiting: HashMap<Ticket, Answerer>,
    last_ticket: Ticket,
    directory: watch::Sender<Arc<Directory>>,
    changes: watch::Sender<u64>,
    waits: watch::Sender<bool>,
    draining: Vec<oneshot::Sender<()>>,
    /// Callers that wait until the machine may suspend.
    pub(super) falling_asleep: Vec<oneshot::Sender<()>>,
}

/// Starts the keeper of the accounts in `config`. It ends when the last handle is dropped.
#[must_use]
pub fn spawn(
    config: &Config,
    provider: Arc<dyn Provider>,
    store: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
) -> Keeper {
    spawn_with_dice(config, provider, store, clock, Box::new(random::fraction))
}

pub(super) fn spawn_with_dice(
    config: &Config,
    provider: Arc<dyn Provider>,
    store: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
    dice: Dice,
) -> Keeper {
    let (messages, inbox) = mpsc::channel(QUEUE);
    let (own, own_inbox) = mpsc::channel(QUEUE);
    let (results, results_inbox) = mpsc::channel(QUEUE);
    let (directory, directory_reader) = watch::channel(Arc::default());
    let (changes, changes_reader) = watch::channel(0);
    let (waits, waits_reader) = watch::channel(false);
    let calls = Arc::<CallLog>::default();
    let mut actor = Actor {
        runner: EffectRunner { provider: provider.clone(), store, results },
        own,
        clock: clock.clone(),
        epoch: epoch(&*clock),
        dice,
        calls: calls.clone(),
        slots: Slots::default(),
        waiting: HashMap::new(),
        last_ticket: 0,
        directory,
        changes,
        waits,
        draining: Vec::new(),
        falling_asleep: Vec::new(),
    };
    actor.configure(config);
    tokio::spawn(actor.run(inbox, own_inbox, results_inbox));
    Keeper {
        messages,
        directory: directory_reader,
        changes: changes_reader,
        waits: waits_reader,
        unmet: watch::Sender::default(),
        calls,
        clock,
        provider,
    }
}

impl Actor {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        mut own: mpsc::Receiver<Message>,
        mut results: mpsc::Receiver<(String, Event)>,
    ) {
        let clock = self.clock.clone();
        let mut store_changes = self.runner.store.changes();
        loop {
            let wake = self.slots.next_wake();
            // Results have priority over requests, so that a crowd of callers cannot delay saving an answer.
            tokio::select! {
                biased;
                Some((account, event)) = results.recv() => self.step(&account, event),
                Some(message) = own.recv() => message(&mut self),
                () = clock.sleep_until(wake) => self.tick(),
                replaced = changed(&mut store_changes) => self.store_changed(replaced),
                message = inbox.recv() => match message {
                    Some(message) => message(&mut self),
                    None => return,
                },
            }
            self.notify_if_idle();
        }
    }

    pub(super) fn ask(&mut self, account: &str, ask: Ask, began: Option<Began>, reply: Answerer) {
        let is_listed = self.slots.get(account).is_some_and(|slot| slot.is_listed);
        if !self.draining.is_empty() || !is_listed {
            let _ = reply.send(Err(gone()));
            return;
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.waiting.insert(ticket, reply);
        self.step(account, Event::Asked { ticket, ask, began });
    }

    /// Notices that the clock was set, before anything is judged by it.
    fn detect_clock_change(&mut self) {
        let epoch = epoch(&*self.clock);
        let by = epoch.saturating_sub(self.epoch);
        if by.saturating_abs() >= CLOCK_SET {
            self.epoch = epoch;
            tracing::info!(seconds = by / 1000, "the clock was set");
            self.step_all(|| Event::ClockSet(by));
        }
    }

    pub(super) fn step_all(&mut self, event: impl Fn() -> Event) {
        for name in self.slots.names() {
            self.step(&name, event());
        }
    }

    pub(super) fn step(&mut self, name: &str, event: Event) {
        self.detect_clock_change();
        let now = self.now();
        let Some(mut slot) = self.slots.take(name) else {
            return;
        };
        tracing::trace!(account = name, event = event.name(), "step");
        let (account, effects) = slot.account.step(event, now);
        slot.account = account;
        self.settle(name, slot, now, effects);
    }

    /// Puts the account back unless it has ended, publishes its state, and carries out its effects.
    fn settle(&mut self, name: &str, slot: Box<Slot>, now: Now, effects: Vec<Effect>) {
        let snapshot = slot.account.snapshot(now.at);
        let progress = Progress { issue: snapshot.issue, failed: snapshot.failed };
        if slot.is_listed || !slot.account.is_idle() {
            self.publish(&slot.snapshot, snapshot);
            self.slots.put(name, slot, now.at);
        }
        let any_waits = self.slots.any_waits();
        self.waits.send_if_modified(|waits| std::mem::replace(waits, any_waits) != any_waits);
        for effect in effects {
            match effect {
                Effect::Reply { ticket, result } => {
                    if let Some(reply) = self.waiting.remove(&ticket) {
                        // The caller may have left; the request is carried out anyway.
                        let _ = reply.send(result.map(|()| progress));
                    }
                }
                effect => self.runner.run(name, effect),
            }
        }
    }

    fn publish(&self, sender: &watch::Sender<Snapshot>, snapshot: Snapshot) {
        let changed = sender.send_if_modified(|current| {
            let (was, is) = (current.info.state, snapshot.info.state);
            if was != is {
                let reason = snapshot.info.reason.as_deref().unwrap_or_default();
                tracing::info!(account = %snapshot.info.name, state = %is, reason, "account");
            }
            let changed = *current != snapshot;
            if changed {
                *current = snapshot; // Otherwise other holders keep the same allocation, and it exists once.
            }
            changed
        });
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    pub(super) fn configure(&mut self, config: &Config) {
        for (name, account_config) in &config.accounts {
            if let Some(slot) = self.slots.get_mut(name) {
                slot.is_listed = true;
                self.step(name, Event::Configured(account_config.clone()));
            } else {
                let now = self.now();
                let (account, effects) = Machine::new(name.clone(), account_config.clone(), now);
                let snapshot = watch::Sender::new(account.snapshot(now.at));
                self.settle(name, Slot::new(account, snapshot), now, effects);
            }
        }
        let gone = self.slots.all().iter().filter(|(name, _)| !config.accounts.contains_key(*name));
        for name in gone.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.is_listed = false;
            }
            self.step(&name, Event::Closing);
        }
        let listed = self.slots.all().iter().filter(|(_, slot)| slot.is_listed);
        let accounts = listed.map(|(name, slot)| (name.clone(), slot.snapshot.subscribe())).collect();
        self.directory
            .send_replace(Arc::new(Directory { default: config.default_account.clone(), accounts }));
        self.changes.send_modify(|count| *count += 1);
    }

    fn tick(&mut self) {
        self.detect_clock_change();
        let now = self.clock.now();
        for name in self.slots.due(now) {
            self.step(&name, Event::Tick);
        }
    }

    pub(super) fn identify(&self, account: String, reply: oneshot::Sender<TokenOwner>) {
        let inquiry = self.slots.get(&account).and_then(|slot| slot.account.identifiable());
        let Some((generation, inquiry)) = inquiry else { return drop(reply.send(TokenOwner::Unsupported)) };
        self.after(self.runner.provider.identify(inquiry), move |actor, owner| {
            actor.step(&account, Event::Identified { generation, owner: owner.clone() });
            let _ = reply.send(owner);
        });
    }

    pub(super) fn unlock(&self, reply: oneshot::Sender<Result<(), Error>>) {
        self.after(self.runner.store.unlock(), move |actor, unlocked| {
            actor.reload();
            let unlocked = unlocked.map_err(|error| Error::StoreUnavailable { reason: error.to_string() });
            let _ = reply.send(unlocked);
        });
    }

    /// Has `work` end without the actor, and `then` done with its result.
    fn after<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(&mut Self, T) + Send + 'static,
    ) {
        let own = self.own.clone();
        tokio::spawn(async move {
            let result = work.await;
            let _ = own.send(Box::new(|actor| then(actor, result))).await;
        });
    }

    /// The store may work again.
    fn store_changed(&mut self, is_replaced: bool) {
        if is_replaced {
            self.step_all(|| Event::StoreReplaced);
        }
        self.reload();
    }

    pub(super) fn reload(&mut self) {
        for name in self.slots.names() {
            self.last_ticket += 1;
            self.step(&name, Event::Asked { ticket: self.last_ticket, ask: Ask::Reload, began: None });
        }
    }

    pub(super) fn drain(&mut self, reply: oneshot::Sender<()>) {
        self.draining.push(reply);
        self.step_all(|| Event::Closing);
    }

    fn notify_if_idle(&mut self) {
        if !self.draining.is_empty() && self.slots.may_end() {
            self.draining.drain(..).for_each(notify);
        }
        if !self.falling_asleep.is_empty() && self.slots.may_sleep() {
            self.falling_asleep.drain(..).for_each(notify);
        }
    }

    fn now(&mut self) -> Now {
        Now { at: self.clock.now(), dice: (self.dice)(), calls: self.calls.calls() }
    }
}

fn notify(reply: oneshot::Sender<()>) {
    let _ = reply.send(()); // the caller may have left
}

fn epoch(clock: &dyn Clock) -> i64 {
    let uptime = i64::try_from(clock.uptime().as_millis()).unwrap_or(i64::MAX);
    clock.now().as_millis().saturating_sub(uptime)
}

/// Returns when the store has changed, and whether another store has replaced it; never if the store does not report
/// changes.
async fn changed(changes: &mut Option<watch::Receiver<Changes>>) -> bool {
    if let Some(changes) = changes {
        let before = changes.borrow().replaced;
        if changes.changed().await.is_ok() {
            return changes.borrow_and_update().replaced != before;
        }
    }
    pending().await
}
