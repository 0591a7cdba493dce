//! Kills at random instants, and the fate of each grant.

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

/// How many accounts are kept: enough that something is under way at most instants.
const ACCOUNTS: usize = 10;

/// How long a server that forgives lost answers does so.
const GRACE: Duration = Duration::from_secs(30);

/// How long the server takes at most, before it does as asked and after.
const LATENCY: Duration = Duration::from_millis(40);

/// How long after an event at most a kill comes that is aimed at what follows it.
const AIM: Duration = Duration::from_millis(6);

/// How long a start takes at most that a kill is aimed at.
const START: Duration = Duration::from_millis(60);

/// How many kills lie between two roll calls.
const ROLL_CALL: usize = 25;

/// What a series of kills is tried on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    pub(super) store: Store,
    /// Whether the server revokes a grant whose used refresh token comes again; else it forgives for 30 s.
    pub(super) strict: bool,
    pub(super) kills: usize,
    /// How long a daemon lives at most before its kill is aimed.
    pub(super) life: Duration,
}

/// Which instant a kill is aimed at.
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

/// Kills as often as `series` says, and returns how many grants were lost with their answer on its way; fails at the first
/// broken promise.
pub(super) fn run(series: Series, dice: &mut Dice) -> anyhow::Result<usize> {
    let rotation = if series.strict { Rotation::ReuseDetection } else { Rotation::Grace(GRACE) };
    let mut site =
        Site::new(series.store, Ground::Testbed, server(rotation, Duration::from_secs(3)), ACCOUNTS);
    let mut killer =
        Killer { books: Books::new(series.strict), sightings: Arc::default(), dice, life: series.life };
    // What came due meanwhile is finished and stored: the first kill is the first of these.
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
    /// Starts a daemon, kills it, and looks what that did.
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

    /// Has the server take its time, before it does as asked or after, and tokens live for 2 to 4 s.
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

    /// Every grant that is not revoked is known to the daemon and works.
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

    /// A daemon that is not killed goes on with all that is left.
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

/// Gives another grant to each account whose own is lost.
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

/// Whether the account hands out the newest token of its grant, or has none to hand out any more.
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
