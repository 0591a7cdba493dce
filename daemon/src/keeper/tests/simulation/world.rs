//! Everything outside the keeper, what is known about it, and whether an invariant is broken.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgurd_proto::{RefreshReuse, Settings};
use tokio::sync::Notify;

use super::calls::Calls;
use super::chance::Chance;
use super::clock::Time;
use super::knowledge::{Knowledge, Look};
use super::server::{Rotation, Server};
use super::store::{Landing, Store, Write, as_written};
use super::wire::Wire;
use crate::config::{AccountConfig, Config, RefreshPolicy};
use crate::grant::{Grant, Record, Secret};
use crate::keeper::slots::Slot;
use crate::store::StoreError;

pub(super) type Shared = Arc<Mutex<World>>;

/// The possible accounts.
pub(super) const NAMES: [&str; 2] = ["a", "b"];

/// The settings of an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) listed: bool,
    pub(super) auto_refresh: bool,
    /// One of two clients.
    pub(super) client: u8,
    /// One of two servers.
    pub(super) server: u8,
}

impl Setting {
    pub(super) fn token_url(self) -> String {
        format!("https://server-{}.example/oauth2/token", self.server)
    }
}

/// A client at a server, which a grant belongs to.
pub(super) fn party(client_id: &str, token_url: &str) -> String {
    format!("{client_id} at {token_url}")
}

/// The client secret for a server.
pub(super) fn secret_for(token_url: &str) -> Secret {
    Secret::from(format!("secret for {token_url}"))
}

/// The client secrets in a record.
fn secrets(record: &Record) -> impl Iterator<Item = &Secret> {
    record.client_secret.iter().chain(record.other_client_secrets.iter().map(|it| &it.secret))
}

/// How often things happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) steps: u64,
    pub(super) calls: u64,
    pub(super) refreshes: u64,
    pub(super) crashes: u64,
    /// Refresh tokens that a crash prevented from being saved.
    pub(super) lost_on_their_way: u64,
}

/// The world.
pub(super) struct World {
    pub(super) time: Time,
    pub(super) server: Server,
    pub(super) wire: Wire,
    pub(super) store: Store,
    pub(super) calls: Calls,
    pub(super) knowledge: BTreeMap<&'static str, Knowledge>,
    pub(super) settings: BTreeMap<&'static str, Setting>,
    pub(super) reuse: RefreshReuse,
    /// Whether suspend was announced.
    pub(super) sleepy: bool,
    pub(super) tally: Tally,
    pub(super) dice: Chance,
    /// Wakes the task that looks at the keeper.
    pub(super) stir: Arc<Notify>,
    /// Reports that the daemon died.
    pub(super) death: Arc<Notify>,
    /// After how many more events the daemon dies.
    pub(super) dies_after: Option<u32>,
    dead: bool,
    /// The first broken invariant.
    pub(super) violation: Option<String>,
    /// A hash that is the same for two runs of one seed.
    pub(super) fingerprint: u64,
    pub(super) is_told: bool,
    steps_at_once: (Duration, u32),
    /// What had happened by the last look.
    seen: (u64, Duration, u64),
}

impl World {
    pub(super) fn new(seed: u64, is_told: bool) -> Shared {
        let server = Server::new(Chance::new(seed, 1));
        let strict = server.rotation == Rotation::Strict || Chance::new(seed, 5).one_in(2);
        let setting = Setting { listed: true, auto_refresh: true, client: 0, server: 0 };
        let world = Self {
            time: Time::default(),
            wire: Wire::new(Chance::new(seed, 2)),
            server,
            store: Store::new(Chance::new(seed, 3)),
            calls: Calls::default(),
            knowledge: NAMES.into_iter().map(|name| (name, Knowledge::default())).collect(),
            settings: NAMES.into_iter().map(|name| (name, setting)).collect(),
            reuse: if strict { RefreshReuse::Revokes } else { RefreshReuse::Tolerated },
            sleepy: false,
            tally: Tally::default(),
            dice: Chance::new(seed, 4),
            stir: Arc::default(),
            death: Arc::default(),
            dies_after: None,
            dead: false,
            violation: None,
            fingerprint: seed,
            is_told,
            steps_at_once: (Duration::ZERO, 0),
            seen: (0, Duration::ZERO, 0),
        };
        Arc::new(Mutex::new(world))
    }

    pub(super) fn begin_life(&mut self) {
        self.dead = false;
        self.sleepy = false;
        self.dies_after = None;
        (self.stir, self.death) = (Arc::default(), Arc::default());
        self.time.begin_life();
    }

    /// Records an event, after which a crash may follow immediately.
    pub(super) fn event(&mut self, what: &str, number: u64, text: impl FnOnce() -> String) {
        self.fingerprint = what
            .bytes()
            .fold(self.fingerprint, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        let millis = u64::try_from(self.time.truth().as_millis()).unwrap();
        self.fingerprint = (self.fingerprint ^ number ^ (millis << 8)).wrapping_mul(0x0100_0000_01B3);
        self.remark(what, text);
        if let Some(left) = self.dies_after.as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.dies_after = None;
                self.die();
            }
        }
    }

    /// Records an event that changes nothing outside. It is not part of the fingerprint, because the runtime decides
    /// which of two callers it serves first in one instant.
    pub(super) fn remark(&mut self, what: &str, text: impl FnOnce() -> String) {
        if self.is_told {
            println!("{:>12.3} s  {what:<10} {}", self.time.truth().as_secs_f64(), text());
        }
        self.stir.notify_one();
    }

    pub(super) fn die(&mut self) {
        self.dead = true;
        self.death.notify_one();
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Keeps the first broken invariant.
    pub(super) fn judge(&mut self, verdict: Result<(), String>) {
        if let Err(violation) = verdict.map_err(|text| format!("at {:?}: {text}", self.time.truth())) {
            self.violation.get_or_insert(violation);
            self.die();
        }
    }

    pub(super) fn knows(&mut self, account: &str) -> &mut Knowledge {
        self.knowledge.get_mut(account).expect("only the accounts in NAMES are used")
    }

    pub(super) fn durable(&self, account: &str) -> Record {
        self.store.durable.get(account).cloned().unwrap_or_default()
    }

    pub(super) fn client_id(&self, account: &str) -> String {
        format!("{account}-{}", self.settings[account].client)
    }

    /// The configured client and server.
    pub(super) fn client(&self, account: &str) -> String {
        party(&self.client_id(account), &self.settings[account].token_url())
    }

    pub(super) fn config(&self) -> Config {
        let account = |name: &str, setting: &Setting| {
            let settings = Settings {
                client_id: Some(self.client_id(name)),
                auth_url: Some(setting.token_url()),
                token_url: Some(setting.token_url()),
                auto_refresh: Some(setting.auto_refresh),
                refresh_reuse: Some(self.reuse),
                ..Settings::default()
            };
            Arc::new(AccountConfig::new(settings, RefreshPolicy::default()).unwrap())
        };
        let listed = self.settings.iter().filter(|(_, setting)| setting.listed);
        Config {
            accounts: listed.map(|(name, it)| ((*name).to_owned(), account(name, it))).collect(),
            ..Config::default()
        }
    }

    /// The keeper takes a random number at each step, so this detects a machine that spins.
    pub(super) fn roll(&mut self) -> f64 {
        self.tally.steps += 1;
        let awake = self.time.awake();
        let (at, count) = self.steps_at_once;
        self.steps_at_once = (awake, if at == awake { count + 1 } else { 0 });
        assert!(count < 5_000, "the keeper runs in a loop");
        self.dice.unit()
    }

    pub(super) fn loaded(&mut self, account: &str, result: &Result<Option<Record>, StoreError>) {
        if self.dead {
            return;
        }
        let has_vanished = matches!(result, Err(StoreError::Vanished(_)));
        // A user who signs in for that reason succeeds, even if the store then fails.
        let knows = self.knows(account);
        knows.vanished = has_vanished || (knows.vanished && result.is_err() && knows.is_moving());
        knows.unreadable = result.is_err();
        self.event("loaded", 0, || format!("{account}: {:?}", result.as_ref().map(Option::is_some)));
    }

    pub(super) fn begins_to_write(&mut self, account: &str, record: Record, landing: Landing) {
        if self.dead {
            return;
        }
        let durable = self.durable(account);
        let is_dropped = secrets(&durable).any(|old| !secrets(&record).any(|secret| secret == old));
        let knows = self.knows(account);
        knows.secretless = secrets(&record).next().is_none() && (knows.secretless || knows.unreadable);
        if is_dropped && !knows.secretless {
            self.judge(Err(format!("{account}: the client's secret is dropped from the store")));
        }
        if let Some(late) = self.store.late.remove(account)
            && self.store.chance.one_in(2)
        {
            self.land(account, &late);
        }
        if landing == Landing::AtOnce {
            self.land(account, &record);
        }
        if self.store.writes.insert(account.to_owned(), Write { record, landing }).is_some() {
            self.judge(Err(format!("{account} has two writes on their way")));
        }
        self.event("writes", 0, || format!("{account}: lands {landing:?}"));
    }

    pub(super) fn has_written(&mut self, account: &str, result: &Result<(), StoreError>) {
        if self.dead {
            return;
        }
        if let Some(Write { record, landing }) = self.store.writes.remove(account) {
            match landing {
                Landing::AtTheEnd => self.land(account, &record),
                Landing::Late => drop(self.store.late.insert(account.to_owned(), record)),
                Landing::AtOnce | Landing::Never => {}
            }
        }
        self.event("written", u64::from(result.is_ok()), || format!("{account}: {result:?}"));
    }

    /// Makes `record` durable.
    fn land(&mut self, account: &str, record: &Record) {
        self.store.durable.insert(account.to_owned(), as_written(record));
    }

    /// Looks at every account.
    pub(super) fn look(&mut self, slots: &BTreeMap<String, Box<Slot>>) {
        let now = (self.tally.steps, self.time.truth(), self.fingerprint);
        if std::mem::replace(&mut self.seen, now) == now {
            return;
        }
        let (truth, awake, wall) = (self.time.truth(), self.time.awake(), self.time.wall());
        let nothing = Record::default();
        let mut verdict = Ok(());
        for (name, knowledge) in &mut self.knowledge {
            let slot = slots.get(*name);
            let durable = self.store.durable.get(*name).unwrap_or(&nothing);
            let memory = slot.and_then(|slot| slot.account.known());
            if slot.is_none() {
                // A removed account returns as after a restart.
                let dead = |token: &String| durable.grants().any(|grant| is_dead(grant, token));
                knowledge.rejected.retain(dead);
            }
            let seen = knowledge.examine(&Look { memory, durable, truth, awake });
            let seen = seen
                .and_then(|()| slot.map_or(Ok(()), |slot| super::invariants::examine(slot, durable, wall)));
            verdict = verdict.and(seen.map_err(|text| format!("{name}: {text}")));
        }
        self.judge(verdict);
    }

    /// The daemon is dead. Requests and writes in progress continue without it.
    pub(super) fn aftermath(&mut self) {
        self.tally.crashes += 1;
        self.wire.aftermath(&mut self.server, self.time.truth());
        for (account, write) in std::mem::take(&mut self.store.writes) {
            if write.landing != Landing::AtOnce && self.store.chance.one_in(2) {
                self.land(&account, &write.record);
            }
        }
        for (account, record) in std::mem::take(&mut self.store.late) {
            if self.store.chance.one_in(2) {
                self.land(&account, &record);
            }
        }
        for name in NAMES {
            let (durable, truth) = (self.durable(name), self.time.truth());
            match self.knows(name).crashed(&durable, truth) {
                Ok(lost) => self.tally.lost_on_their_way += lost,
                Err(text) => self.judge(Err(format!("{name}: {text}"))),
            }
        }
        let verdict = self.calls.cut_off(self.time.awake());
        self.judge(verdict);
    }
}

fn is_dead(grant: &Grant, token: &str) -> bool {
    grant.access.as_ref().is_some_and(|access| access.dead && access.token.expose() == token)
}

/// Returns immediately, or never if the daemon is dead, so that nothing reaches it or leaves it.
pub(super) async fn go_on(world: &Shared) {
    if world.lock().unwrap().is_dead() {
        pending::<()>().await;
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.calls += other.calls;
        self.refreshes += other.refreshes;
        self.crashes += other.crashes;
        self.lost_on_their_way += other.lost_on_their_way;
    }
}
