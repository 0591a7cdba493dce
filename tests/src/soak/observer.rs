//! An outside observer of the daemon's accounts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imgurd_proto::{Account, Client, GetToken, State};
use serde_json::json;

use crate::fake::Fake;
use crate::testbed::Testbed;
use crate::wire::Wire;

/// All that was seen, over the lives of many daemons.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// The same.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By grant: which turns of it were published as saved, and when that was seen.
    published: HashMap<usize, Vec<(usize, Instant)>>,
    /// By account: when it was last seen to begin a refresh.
    began: HashMap<String, Instant>,
    /// The accounts that were last seen refreshing.
    refreshing: HashSet<String>,
    /// How often a refresh was seen to begin.
    beginnings: usize,
    /// When a token was said to be served from memory, for want of a store.
    pub(super) unsaved: Vec<Instant>,
}

impl Seen {
    /// When a later turn than this was first seen published as saved.
    pub(super) fn published_after(&self, grant: usize, turn: usize) -> Option<Instant> {
        self.turns(grant).filter(|(published, _)| *published > turn).map(|(_, at)| *at).min()
    }

    /// When the grant was last seen published as saved.
    pub(super) fn last_published(&self, grant: usize) -> Option<Instant> {
        self.turns(grant).map(|(_, at)| *at).max()
    }

    /// When this account was last seen to begin a refresh.
    pub(super) fn began(&self, account: &str) -> Option<Instant> {
        self.began.get(account).copied()
    }

    /// How many tokens were seen published as saved.
    pub(super) fn count(&self) -> usize {
        self.published.values().map(Vec::len).sum()
    }

    fn note(&mut self, account: &Account) {
        let name = &account.name;
        if account.state != State::Refreshing {
            self.refreshing.remove(name);
        } else if self.refreshing.insert(name.clone()) {
            self.began.insert(name.clone(), Instant::now());
            self.beginnings += 1;
        }
        self.unsaved.extend(account.unsaved.then(Instant::now));
    }

    fn turns(&self, grant: usize) -> impl Iterator<Item = &(usize, Instant)> {
        self.published.get(&grant).into_iter().flatten()
    }
}

impl Sightings {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Blocks until one more refresh is seen to begin; not for longer than `patience`.
    pub(super) fn wait_for_a_beginning(&self, patience: Duration) {
        let seen = self.seen();
        let before = seen.beginnings;
        drop(self.changed.wait_timeout_while(seen, patience, |seen| seen.beginnings == before).unwrap());
    }

    fn take_in(&self, account: &Account, callers: &mut Client, fake: &Fake) {
        self.seen().note(account);
        self.changed.notify_all();
        if account.state != State::Fresh || account.unsaved {
            return;
        }
        // Which token that is, the account does not say; its server does.
        let call = GetToken { account: Some(account.name.clone()), min_valid_s: None, wait_ms: Some(0) };
        let Ok(reply) = callers.call(&call) else { return };
        let at = Instant::now();
        let standing = fake.standing(reply.token.access_token.expose()).expect("the fake issued it");
        let mut seen = self.seen();
        let turns = seen.published.entry(standing.grant).or_default();
        if turns.iter().all(|(turn, _)| *turn != standing.turn) {
            turns.push((standing.turn, at));
        }
    }
}

/// Watches one daemon to its end.
pub(super) fn observe(bed: &Testbed, fake: &Arc<Fake>, sightings: &Arc<Sightings>) -> JoinHandle<()> {
    sightings.seen().refreshing.clear();
    let mut watch = bed.wire();
    watch.stream("Watch", &json!({}));
    let (mut callers, fake, sightings) = (bed.client(), Arc::clone(fake), Arc::clone(sightings));
    thread::spawn(move || {
        while let Some(account) = next(&mut watch) {
            sightings.take_in(&account, &mut callers, &fake);
        }
    })
}

fn next(watch: &mut Wire) -> Option<Account> {
    let mut answer = watch.receive()?;
    serde_json::from_value(answer["parameters"]["account"].take()).ok()
}
