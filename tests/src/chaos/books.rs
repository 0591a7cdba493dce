//! What the daemon received and returned, to compare with the servers' records.

use std::collections::HashSet;

use anyhow::{Result, ensure};

use super::job::{End, Job, Purpose};
use super::operation::Issuer;
use super::site::Site;

/// The daemon's inputs and outputs.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Grants from sign-ins and imports since the last logout.
    given: Vec<Given>,
    /// Access tokens, in the order in which the daemon returned them.
    pub(super) handed_out: Vec<String>,
    /// Access tokens that were reported as rejected.
    rejected: HashSet<String>,
}

/// A grant that the daemon accepted: the command exited with 0.
#[derive(Clone, Debug)]
struct Given {
    issuer: Issuer,
    /// The number of the grant at its server.
    grant: usize,
    /// Whether the daemon may lose the grant: its answer was cut off, or the daemon was killed before it could save
    /// the grant.
    excused: bool,
}

impl Books {
    /// Records the end of a command. Fails if the end breaks a promise.
    pub(super) fn enter(&mut self, job: &Job, end: &End, site: &Site) -> Result<()> {
        let (command, code) = (&job.command, end.code);
        ensure!(
            end.took <= job.bound,
            "`{command}` took {:?}, and may take {:?}: {}",
            end.took,
            job.bound,
            end.stderr
        );
        let is_known = code.is_some_and(|code| matches!(code, 0 | 2..=10));
        ensure!(is_known, "`{command}` ended with {code:?}: {}", end.stderr);
        if code == Some(8) {
            ensure!(site.is_disturbed_since(job.begun), "`{command}` found no daemon: {}", end.stderr);
        }
        match &job.purpose {
            Purpose::Token | Purpose::Reject(_) if code == Some(0) => self.handed(end.stdout.trim())?,
            Purpose::Logout if code == Some(0) => self.given.clear(),
            // The daemon completes the logout once the store works.
            Purpose::Logout if code == Some(7) => Issuer::BOTH.into_iter().for_each(|it| self.excuse(it)),
            Purpose::Login if code == Some(0) => self.give(site.newest_grant()),
            Purpose::Import(token) if code == Some(0) => self.give(site.grant_of(token)),
            _ => {}
        }
        if let Purpose::Reject(token) = &job.purpose
            && matches!(code, Some(0 | 6))
        {
            self.rejected.insert(token.clone());
        }
        Ok(())
    }

    fn handed(&mut self, token: &str) -> Result<()> {
        let is_rejected = self.rejected.contains(token);
        self.handed_out.push(token.to_owned());
        ensure!(!is_rejected, "A token was handed out that the daemon had been told is rejected");
        Ok(())
    }

    fn give(&mut self, grant: Option<(Issuer, usize)>) {
        if let Some((issuer, grant)) = grant {
            self.given.retain(|given| (given.issuer, given.grant) != (issuer, grant));
            self.given.push(Given { issuer, grant, excused: false });
        }
    }

    /// Whether this server has given a grant.
    pub(super) fn knows(&self, issuer: Issuer) -> bool {
        self.given.iter().any(|given| given.issuer == issuer)
    }

    /// The grants of this server that the daemon must not lose.
    pub(super) fn owed(&self, issuer: Issuer) -> Vec<usize> {
        let owed = self.given.iter().filter(|given| given.issuer == issuer && !given.excused);
        owed.map(|given| given.grant).collect()
    }

    /// From now on the daemon may lose the grants of this server.
    pub(super) fn excuse(&mut self, issuer: Issuer) {
        self.given.iter_mut().filter(|given| given.issuer == issuer).for_each(|given| given.excused = true);
    }

    /// The memory store has lost everything.
    pub(super) fn forget(&mut self) {
        self.given.clear();
        self.rejected.clear();
    }

    /// The daemon may forget which tokens were rejected, because it could not save that.
    pub(super) fn excuse_rejected(&mut self) {
        self.rejected.clear();
    }
}
