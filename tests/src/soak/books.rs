//! Records for the soak test: which daemon used which token when, and the result.
//!
//! They have two independent sources: the server's log, and an observer of the daemon's accounts.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::observer::Seen;
use super::site::Account;
use crate::fake::{Fake, Recorded, Standing};

/// Saving an answer may take this long. After that, the keeper reports the token as `unsaved`.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// A token counts as just published for this long.
const JUST: Duration = Duration::from_millis(5);

/// One run of the daemon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) begun: Instant,
    pub(super) killed: Instant,
}

/// What an account was doing when the daemon was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// It was writing its in-flight mark, and had not sent the request.
    Marking,
    /// It had sent the request, and the server had not answered.
    Asked,
    /// The server had answered, and the token was not published.
    Answered,
    /// The token was just published.
    Published,
}

/// The uses of a refresh token: the number of the run, and when the answer was sent.
type Showings = Vec<(usize, Option<Instant>)>;

/// The records of all runs.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Whether the server revokes a grant if a used refresh token is sent again.
    strict: bool,
    runs: Vec<Run>,
    /// By grant and turn.
    shown: HashMap<(usize, usize), Showings>,
    lost: HashSet<usize>,
    /// The number of lost grants whose answer had not been sent at the kill.
    pub(super) lost_unsent: usize,
    /// For each lost grant whose answer had been sent but not published: how long before the kill it was sent.
    pub(super) lost_unpublished: Vec<Duration>,
    /// The number of kills that hit an account in each phase.
    pub(super) met: HashMap<Phase, usize>,
    pub(super) refreshes: usize,
}

impl Books {
    pub(super) fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    pub(super) fn kills(&self) -> usize {
        self.runs.len()
    }

    /// The number of grants that were lost because a kill came before their answer was saved.
    pub(super) fn lost(&self) -> usize {
        self.lost_unsent + self.lost_unpublished.len()
    }

    /// Records a run that ended with a kill, and its requests. Fails if a promise is broken.
    pub(super) fn enter(
        &mut self,
        run: Run,
        requests: &[Recorded],
        seen: &Seen,
        fake: &Fake,
        accounts: &[Account],
    ) -> anyhow::Result<()> {
        self.runs.push(run);
        let mut placed = Vec::new();
        for request in requests {
            let Some(token) = request.refresh_token() else { continue };
            let standing = fake.standing(token).context("a refresh token came that was never given out")?;
            self.show(standing, request, seen)?;
            placed.push((standing, request));
        }
        let phases = accounts.iter().filter_map(|account| phase(account, &placed, run, seen, fake));
        for phase in phases.collect::<HashSet<_>>() {
            *self.met.entry(phase).or_default() += 1;
        }
        Ok(())
    }

    fn show(&mut self, standing: Standing, request: &Recorded, seen: &Seen) -> anyhow::Result<()> {
        let Standing { grant, turn, .. } = standing;
        let newer = seen.published_after(grant, turn).is_some_and(|at| at < request.at);
        ensure!(
            !newer,
            "A grant went back after kill {}: a newer token had been published as saved",
            self.kills() - 1
        );
        let run = self.kills() - 1;
        let showings = self.shown.entry((grant, turn)).or_default();
        match request.status {
            None => showings.push((run, request.sent)),
            Some(200) => {
                showings.push((run, request.sent));
                self.refreshes += 1;
            }
            Some(400) if self.strict && self.lost.contains(&grant) => {}
            Some(400) if self.strict => self.lose(standing, run, seen)?,
            Some(400) => bail!("A grant was lost at kill {run}, and the server allows a grace period"),
            Some(status) => bail!("The server answered a refresh with {status}"),
        }
        Ok(())
    }

    /// Records a grant that was lost at a server with reuse detection. Fails unless its answer was pending at a kill.
    fn lose(&mut self, standing: Standing, run: usize, seen: &Seen) -> anyhow::Result<()> {
        let Standing { grant, turn, .. } = standing;
        let used = standing.used.context("The server refused a refresh token that nobody had used")?;
        let begun = self.runs.partition_point(|run| run.begun <= used);
        let spender = begun.checked_sub(1).context("A grant was spent before the first daemon ran")?;
        ensure!(spender < run, "A daemon showed a used refresh token again, with no kill between");
        ensure!(
            seen.published_after(grant, turn).is_none(),
            "A grant was lost at kill {} although it had been published as saved",
            spender + 1
        );
        let showings = self.shown.get(&(grant, turn));
        let sent = showings.and_then(|all| all.iter().find(|(by, _)| *by == spender)).and_then(|it| it.1);
        let killed = self.runs[spender].killed;
        match sent.filter(|sent| *sent <= killed) {
            None => self.lost_unsent += 1,
            Some(sent) => {
                let before = killed - sent;
                let said = seen.unsaved.iter().any(|at| (sent..=killed).contains(at));
                ensure!(
                    said || before < STORE_PATIENCE,
                    "A grant was lost at kill {} whose answer had been sent {before:?} before, and was neither saved nor \
                     said to be unsaved",
                    spender + 1
                );
                self.lost_unpublished.push(before);
            }
        }
        self.lost.insert(grant);
        Ok(())
    }
}

/// What the account was doing when the daemon was killed. `None` if it was idle.
fn phase(
    account: &Account,
    placed: &[(Standing, &Recorded)],
    run: Run,
    seen: &Seen,
    fake: &Fake,
) -> Option<Phase> {
    let Standing { grant, .. } = fake.standing(&account.first)?;
    let mut asked = placed.iter().rev().filter(|(standing, _)| standing.grant == grant);
    let asked = asked.find(|(_, request)| request.at <= run.killed);
    if let Some((standing, request)) = asked {
        if request.sent.is_none_or(|sent| sent > run.killed) {
            return Some(Phase::Asked);
        }
        if request.status == Some(200) && seen.published_after(grant, standing.turn).is_none() {
            return Some(Phase::Answered);
        }
    }
    let published = seen.last_published(grant);
    let later = [published, asked.map(|(_, request)| request.at), Some(run.begun)].into_iter().max()?;
    if seen.began(&account.name) > later {
        return Some(Phase::Marking);
    }
    published.filter(|at| *at + JUST > run.killed).map(|_| Phase::Published)
}
