//! Runs one sequence, from an empty account to the final check.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Sequence;
use super::books::Books;
use super::job::{End, Job, Purpose};
use super::operation::{Issuer, Operation};
use super::site::{Site, Store};
use crate::fake::{Endpoint, Rotation};
use crate::testbed::ACCOUNT;

/// How much longer than its wait time a call may take.
const OVERRUN: Duration = Duration::from_secs(1);
/// The most time for a command without a wait time: the daemon allows a minute for a change, and ten seconds for the
/// API's answer.
const PATIENT: Duration = Duration::from_secs(70);
/// How long to wait for a command while answers are held.
const GLANCE: Duration = Duration::from_millis(250);
/// The wait time of the final check. The second try after a refusal comes a minute later.
const LAST_WAIT: &str = "100s";
const LAST_PATIENCE: Duration = Duration::from_secs(110);

/// Runs the sequence. Fails if a promise is broken.
pub(super) fn run(sequence: &Sequence) -> Result<()> {
    let site = Site::new(sequence.store, sequence.rotation);
    let mut runner =
        Runner { site, books: Books::default(), jobs: Vec::new(), issuer: Issuer::A, is_client_known: true };
    for operation in &sequence.operations {
        runner.perform(*operation)?;
        runner.collect(GLANCE / 10)?;
    }
    runner.last_word()
}

struct Runner {
    site: Site,
    books: Books,
    jobs: Vec<Job>,
    /// The server in the account's settings.
    issuer: Issuer,
    /// Whether that server knows the account's client ID.
    is_client_known: bool,
}

impl Runner {
    fn perform(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::Token(wait) => self.waiting(Purpose::Token, "token", wait, "")?,
            Operation::Refresh(wait) => self.waiting(Purpose::Other, "refresh", wait, "")?,
            Operation::Reject => self.reject(self.books.handed_out.last().cloned())?,
            Operation::RejectOlder => {
                let older =
                    self.books.handed_out.iter().rev().find(|it| Some(*it) != self.books.handed_out.last());
                self.reject(older.cloned())?;
            }
            Operation::Login(user, replace) => self.login(Some(user), replace)?,
            Operation::LoginBegin => self.login(None, false)?,
            Operation::LoginAllow(user) => self.allow(user),
            Operation::Import(user, replace) => {
                let (token, _) = self.site.fake(self.issuer).issue_grant(user);
                self.import(&token, replace, true)?;
            }
            Operation::ImportOlder(replace) => {
                if let Some(token) = self.shown_before() {
                    // The token may have been replaced, which a daemon that lost its records cannot know.
                    self.import(&token, replace, false)?;
                }
            }
            Operation::Restore => self.command(Purpose::Other, &["restore", ACCOUNT], "")?,
            Operation::Logout => self.command(Purpose::Logout, &["logout", ACCOUNT], "")?,
            Operation::Switch(issuer) => self.switch(issuer)?,
            Operation::ClientId(known) => {
                self.is_client_known = known;
                let id = if known {
                    self.site.fake(self.issuer).behaviour().client_id
                } else {
                    "nobody".to_owned()
                };
                self.command(Purpose::Other, &["account", "set", ACCOUNT, "--client-id", &id], "")?;
            }
            Operation::AutoRefresh(on) => {
                self.command(Purpose::Other, &["auto-refresh", if on { "on" } else { "off" }, ACCOUNT], "")?;
            }
            Operation::Kill => self.restart(true),
            Operation::Restart => self.restart(false),
            Operation::Store(works) => self.site.set_store(works),
            Operation::Network(issuer, works) => self.site.set_network(issuer, works),
            Operation::Spoil(issuer, spoil) => {
                if spoil.loses_an_answer() && self.replaces() {
                    self.books.excuse(issuer);
                }
                self.site.spoil(issuer, spoil);
            }
            Operation::Hold(issuer) => self.site.hold(issuer),
            Operation::Release => drop(self.site.release()),
            Operation::Dead(issuer) => self.site.fake(issuer).kill_access_token(),
            Operation::Clock(seconds) => self.clock(seconds),
        }
        Ok(())
    }

    /// Whether the servers replace refresh tokens, so that a lost answer can mean a lost grant.
    fn replaces(&self) -> bool {
        matches!(self.site.rotation, Rotation::Plain | Rotation::ReuseDetection)
    }

    fn waiting(&mut self, purpose: Purpose, verb: &str, wait: Duration, input: &str) -> Result<()> {
        let text = format!("{}ms", wait.as_millis());
        self.start(purpose, &[verb, ACCOUNT, "--wait", &text], input, wait + OVERRUN, None)
    }

    fn reject(&mut self, token: Option<String>) -> Result<()> {
        let Some(token) = token else { return Ok(()) };
        // The token that is reported must really be invalid.
        self.site.fake(self.issuer).kill_access_token();
        self.waiting(Purpose::Reject(token.clone()), "reject", Duration::from_secs(2), &token)
    }

    fn login(&mut self, user: Option<&'static str>, replace: bool) -> Result<()> {
        if self.site.is_down(self.issuer) {
            return Ok(());
        }
        let mut arguments = vec!["login", ACCOUNT, "--no-browser", "--timeout", "10s"];
        arguments.extend(replace.then_some("--replace"));
        self.start(Purpose::Login, &arguments, "", PATIENT, user)
    }

    /// The user answers a page that is still open.
    fn allow(&self, user: &str) {
        let pages = self.site.fake(self.issuer).requests(Endpoint::Authorize);
        if let Some(page) = pages.last().filter(|_| !self.site.is_down(self.issuer)) {
            let url = format!("{}{}", self.site.fake(self.issuer).origin(), page.target);
            let user = user.to_owned();
            let _ = std::thread::spawn(move || crate::browser::allow(&url, &user)).join();
        }
    }

    fn import(&mut self, token: &str, replace: bool, is_new: bool) -> Result<()> {
        let mut arguments = vec!["import", ACCOUNT];
        arguments.extend(replace.then_some("--replace"));
        // An import with an unknown client ID must not be kept for the known one.
        let is_owed = is_new && self.is_client_known;
        let purpose = if is_owed { Purpose::Import(token.to_owned()) } else { Purpose::Other };
        self.command(purpose, &arguments, token)
    }

    /// A refresh token that the server has received before, as from an old copy.
    fn shown_before(&self) -> Option<String> {
        let requests = self.site.fake(self.issuer).requests(Endpoint::Token);
        requests.iter().rev().find_map(|request| request.refresh_token().map(str::to_owned))
    }

    fn switch(&mut self, issuer: Issuer) -> Result<()> {
        let arguments = self.site.switch(issuer);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let secret = self.site.fake(issuer).behaviour().client_secret;
        (self.issuer, self.is_client_known) = (issuer, true);
        self.command(Purpose::Other, &arguments, &secret)
    }

    fn restart(&mut self, kill: bool) {
        if self.site.store == Store::Memory {
            self.books.forget();
        } else if self.site.is_store_down() {
            self.books.excuse(Issuer::A);
            self.books.excuse(Issuer::B);
            self.books.excuse_rejected();
        }
        for issuer in Issuer::BOTH {
            if kill && self.replaces() && self.site.asked_lately(issuer) {
                self.books.excuse(issuer);
            }
        }
        if !kill {
            // The daemon waits for answers before it stops.
            self.site.release();
        }
        self.site.restart(kill);
    }

    fn clock(&mut self, seconds: i64) {
        if seconds == 0 { self.site.bed.set_clock_right() } else { self.site.bed.set_clock(seconds) }
    }

    fn command(&mut self, purpose: Purpose, arguments: &[&str], input: &str) -> Result<()> {
        self.start(purpose, arguments, input, PATIENT, None)
    }

    /// Runs a command to its end. If answers are held, leaves it running.
    fn start(
        &mut self,
        purpose: Purpose,
        arguments: &[&str],
        input: &str,
        bound: Duration,
        user: Option<&'static str>,
    ) -> Result<()> {
        let is_open = purpose == Purpose::Login && user.is_none();
        let job = Job::start(&self.site.bed, purpose, arguments, input, bound, user);
        let patience = if is_open || self.site.is_holding() { GLANCE } else { bound + OVERRUN };
        if let Some(end) = job.ended(patience) {
            return self.books.enter(&job, &end, &self.site);
        }
        self.jobs.push(job);
        Ok(())
    }

    /// Records the commands that have ended.
    fn collect(&mut self, patience: Duration) -> Result<()> {
        for job in std::mem::take(&mut self.jobs) {
            match job.ended(patience) {
                Some(end) => self.books.enter(&job, &end, &self.site)?,
                None => self.jobs.push(job),
            }
        }
        Ok(())
    }

    /// Ends all faults. Then each server's grants must work, and no secret may have gone to another server.
    fn last_word(&mut self) -> Result<()> {
        self.site.heal();
        self.collect(PATIENT)?;
        ensure!(self.jobs.is_empty(), "`{}` has no end", self.jobs[0].command);
        for issuer in [self.issuer, Issuer::A, Issuer::B] {
            self.switch(issuer)?;
            let id = self.site.fake(issuer).behaviour().client_id;
            self.command(Purpose::Other, &["account", "set", ACCOUNT, "--client-id", &id], "")?;
            self.is_kept(issuer)?;
        }
        self.nothing_strayed()
    }

    /// Fails unless a grant that must not be lost yields a valid token.
    fn is_kept(&mut self, issuer: Issuer) -> Result<()> {
        let owed = self.books.owed(issuer);
        if owed.is_empty() || owed.len() > 1 && !self.books.knows(issuer) {
            return Ok(());
        }
        let mut last = self.token(issuer);
        for _ in 0..owed.len() {
            if last.is_ok() {
                break;
            }
            self.site.bed.ctl(&["restore", ACCOUNT]);
            last = self.token(issuer);
        }
        let account = self.site.account();
        ensure!(
            last.is_ok(),
            "{issuer:?} has {} grants that are owed, and none is served: {}; the account is {:?}",
            owed.len(),
            last.unwrap_err(),
            account.map(|account| (account.state, account.reason))
        );
        let account = account.filter(|account| account.auto_refresh && account.expires_at.is_some());
        ensure!(account.is_none_or(|account| account.next_refresh_at.is_some()), "No refresh is scheduled");
        Ok(())
    }

    fn token(&mut self, issuer: Issuer) -> Result<(), String> {
        let job = Job::start(
            &self.site.bed,
            Purpose::Other,
            &["refresh", ACCOUNT, "--wait", LAST_WAIT],
            "",
            LAST_PATIENCE,
            None,
        );
        let refreshed: Option<End> = job.ended(LAST_PATIENCE);
        let output = self.site.bed.ctl(&["token", ACCOUNT, "--wait", LAST_WAIT]);
        if self.site.fake(issuer).is_live(output.line()) {
            return Ok(());
        }
        Err(format!(
            "{} (refresh: {})",
            output.stderr.trim(),
            refreshed.map(|end| end.stderr).unwrap_or_default()
        ))
    }

    /// Fails if a secret of one server was sent to the other.
    fn nothing_strayed(&self) -> Result<()> {
        for (here, there) in [(Issuer::A, Issuer::B), (Issuer::B, Issuer::A)] {
            let secrets = self.site.fake(here).secrets();
            for request in self.site.fake(there).requests(Endpoint::Token) {
                let strayed = request.form.iter().find(|(_, value)| secrets.contains(value));
                ensure!(
                    strayed.is_none(),
                    "The {:?} of {here:?} was sent to {there:?}",
                    strayed.map(|it| it.0)
                );
            }
        }
        Ok(())
    }
}
