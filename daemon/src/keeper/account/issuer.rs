//! The server that a grant, a client secret or an answer belongs to. imgurd never sends any of them to another server.

use imgurd_proto::{Error, Secret};

use super::sentences::CHANGED_MEANWHILE;
use super::{Ask, Machine, Shelf, Ticket};
use crate::grant::{ClientSecret, Issuer, Record};

/// How many client secrets of other servers are kept. A user who tries more settings than that can look them up.
const MOST_SECRETS: usize = 16;

/// The account's settings when a sign-in or an import began. The answer is valid only for those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Began {
    /// The server at that time.
    pub issuer: Issuer,
    /// How many logouts the account had had by then.
    pub logouts: u64,
}

impl Machine {
    pub(super) fn began(&self) -> Began {
        Began { issuer: self.config.issuer(), logouts: self.logouts }
    }

    /// Checks that `ask`, which began with these settings, can still be carried out. imgurd never sends one server's
    /// secrets to another. It accepts tokens that have already arrived, whatever is configured now, unless the user
    /// has logged out since.
    pub(super) fn check_unchanged(&self, ask: &Ask, began: &Began) -> Result<(), Error> {
        let brings_a_grant = matches!(ask, Ask::Exchange { .. } | Ask::Accept { .. } | Ask::Import { .. });
        if brings_a_grant && began.logouts != self.logouts {
            return Err(self.signed_out_meanwhile());
        }
        let is_sent = brings_a_grant && !matches!(ask, Ask::Accept { .. });
        if is_sent && !began.issuer.is(&self.config.issuer()) {
            return Err(Error::login(format!("imgurd sent nothing, because {CHANGED_MEANWHILE}")));
        }
        Ok(())
    }

    /// Uses the grant and the secret of the configured server, and sets aside the others.
    pub(super) fn match_issuer(&mut self) {
        if !matches!(self.shelf, Shelf::Read) {
            return;
        }
        let issuer = self.config.issuer();
        if adopt(&mut self.record, &issuer) | choose_client_secret(&mut self.record, &issuer) {
            self.revisions.touch();
        }
        self.restore_matching();
    }

    /// Puts a client secret of `issuer` into the record. Returns whether it is for the configured server and client.
    pub(super) fn put_client_secret(&mut self, secret: Secret, issuer: &Issuer) -> bool {
        let is_current = issuer.is(&self.config.issuer());
        keep_client_secret(&mut self.record, secret, issuer, is_current);
        is_current
    }

    pub(super) fn keep_client_secret(&mut self, ticket: Ticket, secret: Secret, issuer: &Issuer) {
        let is_current = self.put_client_secret(secret, issuer);
        self.shelf = Shelf::Read;
        self.revisions.touch_client_secret();
        // Even if the store failed before: a caller waits, so retry immediately.
        self.revisions.retry_now();
        self.revisions.reply_when_saved(ticket);
        if is_current && self.is_misconfigured() {
            self.trouble = None;
            self.try_now();
        }
    }
}

/// Binds data that an older version saved with only an origin, or with nothing. Returns whether anything changed.
fn adopt(record: &mut Record, current: &Issuer) -> bool {
    if record.client_secret.is_some() && record.client_secret_issuer.is_none() {
        // The older version sent it to the server of the current grant.
        let owner = record.grant.as_ref().map_or(current, |grant| &grant.issuer);
        record.client_secret_issuer = Some(owner.clone());
    }
    let secrets = record.other_client_secrets.iter_mut().map(|it| &mut it.issuer);
    let secrets = secrets.chain(&mut record.client_secret_issuer);
    let changed = secrets.fold(false, |changed, issuer| issuer.adopt(current) | changed);
    record.grants_mut().fold(changed, |changed, grant| grant.issuer.adopt(current) | changed)
}

/// Chooses the secret of `current`. If there is none, the secret of another client at the same server stays, because
/// users correct a client ID more often than they change the application. Returns whether anything changed.
fn choose_client_secret(record: &mut Record, current: &Issuer) -> bool {
    let owner = record.client_secret_issuer.as_ref();
    if owner.is_some_and(|owner| owner.is(current)) {
        return false;
    }
    let others = &record.other_client_secrets;
    let own = others.iter().rposition(|it| it.issuer.is(current));
    if own.is_none() && owner.is_some_and(|owner| owner.is_same_server(current)) {
        return false;
    }
    let found = own.or_else(|| others.iter().rposition(|it| it.issuer.is_same_server(current)));
    let found = found.map(|index| record.other_client_secrets.remove(index));
    if found.is_none() && record.client_secret.is_none() {
        return false;
    }
    set_client_secret_aside(record);
    if let Some(ClientSecret { issuer, secret }) = found {
        record.client_secret = Some(secret);
        record.client_secret_issuer = Some(issuer);
    }
    true
}

fn set_client_secret_aside(record: &mut Record) {
    if let Some((secret, issuer)) = record.client_secret.take().zip(record.client_secret_issuer.take()) {
        record.other_client_secrets.push(ClientSecret { issuer, secret });
    }
    let surplus = record.other_client_secrets.len().saturating_sub(MOST_SECRETS);
    record.other_client_secrets.drain(..surplus);
}

fn keep_client_secret(record: &mut Record, secret: Secret, issuer: &Issuer, is_current: bool) {
    record.other_client_secrets.retain(|it| !it.issuer.is(issuer));
    let secret = Some(secret).filter(|secret| !secret.is_empty());
    if is_current {
        if record.client_secret_issuer.as_ref().is_some_and(|owner| !owner.is(issuer)) {
            set_client_secret_aside(record);
        }
        record.client_secret_issuer = secret.as_ref().map(|_| issuer.clone());
        record.client_secret = secret;
    } else if let Some(secret) = secret {
        record.other_client_secrets.push(ClientSecret { issuer: issuer.clone(), secret });
    }
}
