//! Kills at random moments, and what happens to each grant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use imgurd_proto::State;

use super::books::{Books, Phase, Run};
use super::figures::ms;
use super::observer::{Sightings, observe};
use super::site::{Ground, Site, Store, server};
use crate::dice::Dice;
use crate::fake::{Endpoint, Fault, PATIENCE, Rotation, Stage};

/// The number of accounts: enough that a refresh is in progress at most moments.
const ACCOUNTS: usize = 10;

/// How long the tolerant server accepts a used refresh token.
const GRACE: Duration = Duration::from_secs(30);

/// The longest delay of the server, before or after it handles a request.
const LATENCY: Duration = Duration::from_millis(40);

/// The longest time between an event and a kill that is aimed at what follows it.
const AIM: Duration = Duration::from_millis(6);

/// The longest time after the start of a daemon for a kill that is aimed at the start.
const START: Duration = Duration::from_millis(60);

/// The number of kills between two checks of all accounts.
const ROLL_CALL: usize = 25;

/// The parameters of a series of kills.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    pub(super) store: Store,
    /// Whether the server revokes a grant if a used refresh token is sent again. Otherwise it accepts the token for
    /// 30 s.
    pub(super) strict: bool,
    pub(super) kills: usize,
    /// The longest time that a daemon runs before its kill is aimed.
    pub(super) life: Duration,
}

/// The moment that a kill is aimed at.
enum Moment {
    Starting,
    Any,
    Beginning,
    Arrived,
    Sent,
}

impl Moment {
    fn roll(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0 => Self::Starting,
            1..=3 => Self::Any,
            4..=5 => Self::Beginning,
            6..=7 => Self::Arrived,
            _ => Self::Sent,
        }
    }
}

/// Runs the kills of `series`, and returns how many grants were lost because a kill came before their answer was
/// saved. Fails at the first broken promise.
pub(super) fn run(series: Series, dice: &mut Dice) -> anyhow::Result<usize> {
    let rotation = if series.strict { Rotation::ReuseDetection } else { Rotation::Grace(GRACE) };
    let mut site =
        Site::new(series.store, Ground::Testbed, server(rotation, Duration::from_secs(3)), ACCOUNTS);
    let mut killer =
        Killer { books: Books::new(series.strict), sightings: Arc::default(), dice, life: series.life };
    // Start with an idle daemon, so that the first kill is part of the series.
    site.stop();
    for _ in 0..series.kills {
        killer.one(&mut site)?;
    }
    killer.last_word(&mut site)?;
    killer.report(series);
    Ok(killer.books.lost())
}

struct Killer<'a> {
    books: Books,
    sightings: Arc<Sightings>,
    dice: &'a mut Dice,
    life: Duration,
}

impl Killer<'_> {
    /// Starts a daemon, kills it, and checks the result.
    fn one(&mut self, site: &mut Site) -> anyhow::Result<()> {
        self.trouble(site);
        let moment = Moment::roll(self.dice);
        let begun = Instant::now();
        let observer = if matches!(moment, Moment::Starting) {
            site.spawn();
            self.dice.pause(START);
            None
        } else {
            site.start();
            let observer = observe(&site.bed, &site.fake, &self.sightings);
            replace_lost(site);
            if self.books.kills().is_multiple_of(ROLL_CALL) {
                self.call_roll(site)?;
            }
            self.wait_for(&moment, site);
            Some(observer)
        };
        let killed = site.kill();
        if let Some(observer) = observer {
            observer.join().ok().context("The observer failed")?;
        }
        site.fake.settle();
        let requests = site.fake.requests_since(Endpoint::Token, begun);
        self.books.enter(Run { begun, killed }, &requests, &self.sightings.seen(), &site.fake, &site.accounts)
    }

    /// Delays the server's next answers, and gives tokens a lifetime of 2 to 4 s.
    fn trouble(&mut self, site: &Site) {
        site.fake.clear(Endpoint::Token);
        for _ in 0..ACCOUNTS * 2 {
            let span = self.dice.span(LATENCY);
            let before = self.dice.below(2) == 0;
            let fault = if before { Fault::Delay(span) } else { Fault::DelayAfterProcessing(span) };
            site.fake.fail_next(Endpoint::Token, fault);
        }
        let lifetime = Duration::from_secs(2 + self.dice.below(3));
        site.fake.configure(|behaviour| behaviour.lifetime = lifetime);
    }

    fn wait_for(&mut self, moment: &Moment, site: &Site) {
        self.dice.pause(self.life);
        let patience = Duration::from_secs(3);
        match moment {
            Moment::Starting | Moment::Any => return,
            Moment::Beginning => self.sightings.wait_for_a_beginning(patience),
            Moment::Arrived => site.fake.wait_for_next(Stage::Arrived, patience),
            Moment::Sent => site.fake.wait_for_next(Stage::Sent, patience),
        }
        self.dice.pause(AIM);
    }

    /// Fails unless the daemon has every grant that is not revoked, and its token is valid.
    fn call_roll(&self, site: &Site) -> anyhow::Result<()> {
        for index in 0..site.accounts.len() {
            let deadline = Instant::now() + PATIENCE;
            while !answers(site, index) {
                let kills = self.books.kills();
                ensure!(
                    Instant::now() < deadline,
                    "A grant was lost: nobody knows its token after {kills} kills"
                );
            }
        }
        Ok(())
    }

    /// Fails unless a daemon that is not killed can use all remaining grants.
    fn last_word(&self, site: &mut Site) -> anyhow::Result<()> {
        site.start();
        replace_lost(site);
        self.call_roll(site)?;
        site.kill();
        Ok(())
    }

    fn report(&self, series: Series) {
        let Books { lost_unsent, lost_unpublished, refreshes, met, .. } = &self.books;
        let (store, kills) = (series.store, self.books.kills());
        let server =
            if series.strict { "a server that revokes at reuse" } else { "a server that forgives for 30 s" };
        let seen = self.sightings.seen();
        println!("{store}, {server}: {kills} kills, {refreshes} refreshes, {} seen published", seen.count());
        let met = |phase| met.get(&phase).copied().unwrap_or_default();
        println!(
            "  kills that met an account writing its mark {}, asking {}, with its answer sent but not published {}, just \
             published {}",
            met(Phase::Marking),
            met(Phase::Asked),
            met(Phase::Answered),
            met(Phase::Published),
        );
        let unpublished = lost_unpublished.len();
        let lost = self.books.lost();
        println!("  lost once published as saved: 0; lost with the answer on its way at the kill: {lost}");
        if let Some(longest) = lost_unpublished.iter().max() {
            println!(
                "  of those, {lost_unsent} answers had not been sent, {unpublished} had, at most {} before the kill",
                ms(*longest)
            );
        }
        if !seen.unsaved.is_empty() {
            println!("  served from memory for want of a store: {} times", seen.unsaved.len());
        }
    }
}

/// Gives a new grant to each account whose grant was revoked.
fn replace_lost(site: &mut Site) {
    for index in 0..site.accounts.len() {
        if is_revoked(site, index) {
            site.replace(index);
        }
    }
}

fn is_revoked(site: &Site, index: usize) -> bool {
    site.fake.standing(&site.accounts[index].first).is_some_and(|standing| standing.revoked)
}

/// Whether the account returns the newest token of its grant, or its grant is revoked.
fn answers(site: &Site, index: usize) -> bool {
    let name = &site.accounts[index].name;
    let account = site.bed.wait_until(name, |account| {
        let is_saved = account.state == State::Fresh && !account.unsaved;
        is_saved || matches!(account.state, State::Waiting | State::ConsentNeeded)
    });
    if account.state != State::Fresh {
        return is_revoked(site, index);
    }
    let standing = site.token(name).and_then(|token| site.fake.standing(token.expose()));
    standing.is_some_and(|standing| standing.turn == standing.newest && !standing.revoked)
}
