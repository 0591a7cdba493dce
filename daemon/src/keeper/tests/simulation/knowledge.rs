//! What the keeper must know of one account, derived only from what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::records::{displaced, grants, holds};
use super::server::family_of;
use super::world::party;
use crate::grant::{Access, Record, Secret};
use crate::provider::TokenResponse;

/// How long a replaced grant must be kept: 30 days, by a clock that may be a day off.
const KEPT_FOR: Duration = Duration::from_hours(24 * 29);

/// The facts about one account.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are independent of each other")]
pub(super) struct Knowledge {
    /// Refresh tokens that were delivered or imported, and neither replaced nor logged out.
    pub(super) good: BTreeSet<String>,
    /// Refresh tokens that a delivered answer replaced.
    pub(super) superseded: BTreeSet<String>,
    /// Refresh tokens that a logout deleted.
    forgotten: BTreeSet<String>,
    /// Refresh tokens whose deletion was confirmed to the user.
    buried: BTreeSet<String>,
    /// Refresh tokens of logins, with the number of the request, until the keeper is seen to have them.
    offered: BTreeMap<String, u64>,
    /// Refresh tokens that are being imported.
    pub(super) importing: BTreeMap<String, u64>,
    /// How many logouts have begun.
    pub(super) logouts_begun: u64,
    /// Logouts that have not taken effect yet.
    logouts: BTreeSet<u64>,
    /// Requests in progress that may change the current grant.
    moves: BTreeSet<u64>,
    /// Whether one of them did since the last look.
    moved: bool,
    /// Whether the store last answered that the grant is missing.
    pub(super) vanished: bool,
    /// Whether the store was unreadable at the last attempt.
    pub(super) unreadable: bool,
    /// Whether a grant was accepted meanwhile, and the client secret given up for it.
    pub(super) secretless: bool,
    /// What the last look showed.
    pub(super) seen: Seen,
    /// The current refresh token, and the previous one that must be kept with it.
    beside: Option<(String, String)>,
    /// Access tokens that a newer one has replaced at the server, and since when.
    outdated: BTreeMap<String, Duration>,
    /// Access tokens that the keeper knows to be rejected.
    pub(super) rejected: BTreeSet<String>,
    /// Access tokens that a caller reported as rejected, whether or not the keeper accepted that.
    pub(super) asked_about: BTreeSet<String>,
    /// Refresh tokens that were ever imported.
    pub(super) imported: BTreeSet<String>,
    /// Whether the record was read at the last look.
    pub(super) is_read: bool,
    /// How many delivered answers in a row kept a refresh token.
    kept: BTreeMap<String, u32>,
    /// Since when the grant of a consent has been replaced, in true time.
    displaced: BTreeMap<u64, Duration>,
    /// The same for the record in the store, which survives a crash.
    durably_displaced: BTreeMap<u64, Duration>,
}

/// What the last look showed.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) in_use: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) access: Option<Access>,
    /// Since when that has been the access token, in time awake.
    pub(super) access_since: Duration,
    pub(super) client: Option<String>,
    durable: BTreeSet<String>,
}

/// One look at an account.
pub(super) struct Look<'a> {
    /// The record in memory, once the store was read.
    pub(super) memory: Option<&'a Record>,
    pub(super) durable: &'a Record,
    pub(super) truth: Duration,
    pub(super) awake: Duration,
}

/// A request of the user that changes grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Accept(String),
    Exchange,
    Import(String),
    Restore,
    Logout,
    Configure,
    Other,
}

impl Knowledge {
    pub(super) fn begins(&mut self, number: u64, wish: &Wish) {
        match wish {
            Wish::Accept(token) => drop(self.offered.insert(token.clone(), number)),
            Wish::Import(token) => drop(self.importing.entry(token.clone()).or_insert(number)),
            Wish::Logout => {
                self.logouts_begun += 1;
                self.logouts.insert(number);
            }
            Wish::Exchange | Wish::Restore | Wish::Configure => {}
            Wish::Other => return,
        }
        self.moves.insert(number);
        self.moved = true;
    }

    /// The user was answered. `is_done` means that the request succeeded, or that its grant was set aside.
    pub(super) fn ends(
        &mut self,
        number: u64,
        wish: &Wish,
        is_done: bool,
        durable: &Record,
    ) -> Result<(), String> {
        self.moves.remove(&number);
        self.moved = true;
        match wish {
            Wish::Accept(token) => {
                if self.offered.remove(token).is_some() && is_done {
                    self.good.insert(token.clone());
                }
            }
            Wish::Import(token) => {
                let is_news = !self.superseded.contains(token) && !self.forgotten.contains(token);
                let is_this = self.importing.get(token) == Some(&number);
                if is_this {
                    self.importing.remove(token);
                }
                if is_this && is_done && is_news {
                    self.good.insert(token.clone());
                }
            }
            Wish::Logout if is_done => {
                if self.logouts.contains(&number) {
                    return Err("a logout was reported done, and is not".to_owned());
                }
                if let Some(token) = self.forgotten.iter().find(|token| holds(durable, token)) {
                    return Err(format!("a logout was reported done, and the store still has {token}"));
                }
                self.buried.extend(self.forgotten.iter().cloned());
            }
            Wish::Logout => drop(self.logouts.remove(&number)),
            Wish::Exchange | Wish::Restore | Wish::Configure | Wish::Other => {}
        }
        Ok(())
    }

    /// An answer to `presented` has reached the keeper completely. `instead_of` is the current token, if `presented`
    /// was the previous one.
    pub(super) fn delivered(
        &mut self,
        presented: &str,
        instead_of: Option<&str>,
        tokens: &TokenResponse,
        at: Duration,
    ) {
        let new = tokens.refresh_token.as_ref().map_or(presented, |token| token.expose()).to_owned();
        let count = if new == presented { self.kept.get(presented).map_or(0, |count| *count) + 1 } else { 0 };
        self.kept.insert(new.clone(), count);
        let old = instead_of.unwrap_or(presented);
        let was_known = self.good.contains(old) || self.importing.contains_key(presented);
        if !was_known {
            if self.forgotten.contains(old) {
                self.forgotten.insert(new);
            }
            return;
        }
        if self.seen.in_use.as_deref() == Some(old) {
            self.outdated
                .extend(self.seen.access.iter().map(|access| (access.token.expose().to_owned(), at)));
            self.beside = Some((new.clone(), if new == presented { old } else { presented }.to_owned()));
            self.beside.take_if(|(new, old)| new == old);
        }
        if new != old {
            self.good.remove(old);
            self.superseded.insert(old.to_owned());
        }
        self.superseded.remove(&new);
        self.good.insert(new);
    }

    pub(super) fn consented(&mut self, tokens: &TokenResponse) {
        self.moved = true;
        self.good.extend(tokens.refresh_token.iter().map(|token| token.expose().to_owned()));
    }

    /// How many logouts have taken effect. A logout that waits for the store may come after a request that is sent
    /// earlier.
    pub(super) fn logouts_done(&self) -> u64 {
        self.logouts_begun - u64::try_from(self.logouts.len()).unwrap()
    }

    /// A code was exchanged. A logout since it was sent has priority, unless the logout waits for the store.
    pub(super) fn exchanged(&mut self, tokens: &TokenResponse, logouts: u64) {
        if logouts == self.logouts_begun {
            return self.consented(tokens);
        }
        self.moved = true;
        self.offered.extend(tokens.refresh_token.iter().map(|token| (token.expose().to_owned(), 0)));
    }

    /// Whether a request that may change the current grant is in progress.
    pub(super) fn is_moving(&self) -> bool {
        !self.moves.is_empty()
    }

    pub(super) fn keeps(&self, token: &str) -> u32 {
        self.kept.get(token).copied().unwrap_or_default()
    }

    /// Since when `access` must not be handed out any more.
    pub(super) fn outdated_since(&self, access: &str) -> Option<Duration> {
        self.outdated.get(access).copied()
    }

    /// Checks everything that must be true of the account now.
    pub(super) fn examine(&mut self, look: &Look<'_>) -> Result<(), String> {
        if let Some(memory) = look.memory {
            self.take_note(memory);
        }
        let held_by = look.memory.unwrap_or(look.durable);
        self.let_expire(held_by, look.truth);
        for token in &self.good {
            if !holds(held_by, token) {
                let place = if look.memory.is_some() { "memory" } else { "the store" };
                return Err(format!("{token} was dropped from {place}"));
            }
            if self.seen.durable.contains(token) && !holds(look.durable, token) {
                return Err(format!("{token} was in the store and is not any more"));
            }
        }
        if let Some(memory) = look.memory {
            self.examine_memory(memory)?;
        }
        self.remember(look);
        Ok(())
    }

    fn take_note(&mut self, memory: &Record) {
        for logout in std::mem::take(&mut self.logouts) {
            let before = |map: &BTreeMap<String, u64>| {
                map.iter()
                    .filter(|(_, number)| **number < logout)
                    .map(|(token, _)| token.clone())
                    .collect::<Vec<_>>()
            };
            let mut gone = before(&self.offered);
            gone.extend(before(&self.importing));
            // A token that is imported after a logout may be one that was logged out.
            let comes_back =
                |token: &String| self.importing.get(token).is_some_and(|number| *number > logout);
            gone.extend(self.good.iter().filter(|token| !comes_back(token)).cloned());
            if gone.iter().any(|token| holds(memory, token)) {
                self.logouts.insert(logout);
                continue;
            }
            self.good.clear();
            self.offered.retain(|_, number| *number > logout);
            self.importing.retain(|_, number| *number > logout);
            self.forgotten.extend(gone);
        }
        if self.vanished && self.moved {
            // A new login replaces the grant that could not be found. A token that is imported meanwhile has not
            // proved valid yet.
            let importing = &self.importing;
            self.good.retain(|token| holds(memory, token) && !importing.contains_key(token));
        }
        self.vanished = false;
        let seen: Vec<_> = self.offered.keys().filter(|token| holds(memory, token)).cloned().collect();
        for token in seen {
            self.offered.remove(&token);
            self.good.insert(token);
        }
        for token in self.importing.keys().filter(|token| holds(memory, token)) {
            self.forgotten.remove(token);
            self.buried.remove(token);
        }
    }

    fn let_expire(&mut self, held_by: &Record, truth: Duration) {
        self.good.retain(|token| {
            let since = family_of(token).and_then(|family| self.displaced.get(&family));
            holds(held_by, token) || since.is_none_or(|since| truth < *since + KEPT_FOR)
        });
    }

    fn examine_memory(&mut self, memory: &Record) -> Result<(), String> {
        if let Some(token) = self.forgotten.iter().find(|token| holds(memory, token)) {
            return Err(format!("{token} was logged out, and is back"));
        }
        let in_use = memory.grant.as_ref().and_then(|grant| grant.refresh_token.as_ref());
        let in_use = in_use.map(|token| token.expose().to_owned());
        let family = |token: &Option<String>| token.as_deref().and_then(family_of);
        if !self.moved && family(&in_use) != family(&self.seen.in_use) {
            return Err(format!("{:?} gave way to {in_use:?}, which nobody asked for", self.seen.in_use));
        }
        for grant in memory.grant.iter().chain(memory.displaced.iter().map(|it| &it.grant)) {
            let refresh = grant.refresh_token.as_ref().and_then(|token| family_of(token.expose()));
            let access = grant.access.as_ref().and_then(|access| family_of(access.token.expose()));
            if refresh.zip(access).is_some_and(|(refresh, access)| refresh != access) {
                return Err(format!("a grant of consent {refresh:?} has an access token of {access:?}"));
            }
        }
        if self.moved {
            self.beside = None;
        }
        if let Some((new, old)) = self.beside.as_ref().filter(|(new, _)| in_use.as_ref() == Some(new)) {
            // If reuse revokes the grant, only the fingerprint is kept.
            let old_secret = Secret::from(old.as_str());
            let is_kept = memory.previous_refresh_token.as_ref() == Some(&old_secret);
            if !is_kept && !memory.replaced.contains(&old_secret) {
                return Err(format!("{old} does not lie beside {new}, which has just replaced it"));
            }
        }
        Ok(())
    }

    fn remember(&mut self, look: &Look<'_>) {
        self.is_read = look.memory.is_some();
        // A configuration change during an unreadable store takes effect when the store can be read.
        self.moved = !self.moves.is_empty() || (self.moved && !self.is_read);
        let record = look.memory.unwrap_or(look.durable);
        let text = |token: &Secret| token.expose().to_owned();
        let grant = record.grant.as_ref();
        let access = grant.and_then(|grant| grant.access.clone());
        if access.as_ref().map(|it| &it.token) != self.seen.access.as_ref().map(|it| &it.token) {
            self.seen.access_since = look.awake;
        }
        self.seen.access = access;
        self.seen.client = grant.map(|grant| {
            party(&grant.issuer.client_id, grant.issuer.token_url.as_deref().unwrap_or_default())
        });
        self.seen.in_use = grant.and_then(|grant| grant.refresh_token.as_ref()).map(text);
        self.seen.previous = record.previous_refresh_token.as_ref().map(text);
        self.seen.durable = self.good.iter().filter(|token| holds(look.durable, token)).cloned().collect();
        let in_use = self.seen.in_use.as_deref().and_then(family_of);
        self.displaced.retain(|family, _| Some(*family) != in_use);
        for family in displaced(record) {
            self.displaced.entry(family).or_insert(look.truth);
        }
        let durably = displaced(look.durable);
        self.durably_displaced.retain(|family, _| durably.contains(family));
        for family in durably {
            self.durably_displaced.entry(family).or_insert(look.truth);
        }
    }

    /// The daemon died, and only `durable` is left. Returns how many valid tokens had not reached the store.
    pub(super) fn crashed(&mut self, durable: &Record, truth: Duration) -> Result<u64, String> {
        // A replaced token may have been saved already, and the current one may not.
        self.let_expire(durable, truth);
        self.displaced.extend(self.durably_displaced.iter().map(|(family, since)| (*family, *since)));
        let is_leaving = !self.logouts.is_empty() || self.vanished;
        let lost = self.good.iter().find(|it| self.seen.durable.contains(*it) && !holds(durable, it));
        if let Some(token) = lost.filter(|_| !is_leaving) {
            return Err(format!("{token} was in the store and did not survive the crash"));
        }
        let left: BTreeSet<String> = grants(durable).collect();
        if let Some(token) = left.iter().find(|token| self.buried.contains(*token)) {
            return Err(format!("{token} was logged out, and a crash brought it back"));
        }
        let lost = if is_leaving { 0 } else { self.good.difference(&left).count() };
        self.forgotten.retain(|token| !left.contains(token));
        // The next life knows a rejected token from the record.
        let dead: BTreeSet<String> = durable
            .grants()
            .filter_map(|grant| grant.access.as_ref().filter(|access| access.dead))
            .map(|access| access.token.expose().to_owned())
            .collect();
        self.rejected.retain(|token| dead.contains(token));
        self.superseded.retain(|token| !left.contains(token));
        *self = Self {
            superseded: std::mem::take(&mut self.superseded),
            forgotten: std::mem::take(&mut self.forgotten),
            buried: std::mem::take(&mut self.buried),
            imported: std::mem::take(&mut self.imported),
            rejected: std::mem::take(&mut self.rejected),
            kept: std::mem::take(&mut self.kept),
            displaced: std::mem::take(&mut self.displaced),
            durably_displaced: std::mem::take(&mut self.durably_displaced),
            moved: true,
            good: left,
            ..Self::default()
        };
        self.remember(&Look { memory: None, durable, truth, awake: Duration::ZERO });
        self.moved = true;
        Ok(u64::try_from(lost).unwrap())
    }
}
