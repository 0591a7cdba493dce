//! Observes the daemon's accounts from outside.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imgurd_proto::{Account, Client, GetToken, State};
use serde_json::json;

use crate::fake::Fake;
use crate::testbed::Testbed;
use crate::wire::Wire;

/// What was observed over the runs of many daemons.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// The observations.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// For each grant, the turns that were published as saved, with the time.
    published: HashMap<usize, Vec<(usize, Instant)>>,
    /// For each account, when it last began a refresh.
    began: HashMap<String, Instant>,
    /// The accounts that are refreshing.
    refreshing: HashSet<String>,
    /// The number of refreshes that have begun.
    beginnings: usize,
    /// When a token was reported as unsaved.
    pub(super) unsaved: Vec<Instant>,
}

impl Seen {
    /// When a later turn of the grant was first published as saved.
    pub(super) fn published_after(&self, grant: usize, turn: usize) -> Option<Instant> {
        self.turns(grant).filter(|(published, _)| *published > turn).map(|(_, at)| *at).min()
    }

    /// When a token of the grant was last published as saved.
    pub(super) fn last_published(&self, grant: usize) -> Option<Instant> {
        self.turns(grant).map(|(_, at)| *at).max()
    }

    /// When this account last began a refresh.
    pub(super) fn began(&self, account: &str) -> Option<Instant> {
        self.began.get(account).copied()
    }

    /// The number of tokens that were published as saved.
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

    /// Waits until one more refresh begins, but no longer than `patience`.
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
        // The report does not contain the token. Get it, and look up its turn at the server.
        let call = GetToken { account: Some(account.name.clone()), min_valid_s: None, wait_ms: Some(0) };
        let Ok(reply) = callers.call(&call) else { return };
        let at = Instant::now();
        let standing =
            fake.standing(reply.token.access_token.expose()).expect("the fake Imgur issued the token");
        let mut seen = self.seen();
        let turns = seen.published.entry(standing.grant).or_default();
        if turns.iter().all(|(turn, _)| *turn != standing.turn) {
            turns.push((standing.turn, at));
        }
    }
}

/// Observes one daemon until it ends.
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
