//! The client secret while an account has no grant: only the store holds it, and imgurd loads it when the user signs in or
//! imports a grant.

use imgurd_proto::{DEFAULT_TOKEN_URL, Error, Flow, Secret};

use super::{Ask, Effect, Machine, Shelf, Ticket};
use crate::grant::{Issuer, Record};
use crate::store::StoreError;

impl Ask {
    /// Whether it writes the record or asks the server, and so needs the whole record: a new client secret is saved
    /// next to those of other servers.
    fn needs_all(&self) -> bool {
        !matches!(self, Self::Want { .. } | Self::Restore | Self::Logout | Self::Reload)
    }

    /// Whether the request fails if the client secret cannot be loaded. Tokens that the server has issued are accepted
    /// without it: they come only once, and the user can look up a client secret.
    pub(super) fn needs_the_client_secret(&self) -> bool {
        self.needs_all() && !matches!(self, Self::Accept { .. })
    }
}

impl Machine {
    /// Drops the secret from memory if it is in the store and nothing needs it here.
    pub(super) fn release_client_secret(&mut self) {
        let is_needed = self.record.holds_a_grant()
            || self.login.is_some()
            || self.login_expected
            || self.is_sending()
            || !self.revisions.is_clean();
        let has_one = self.record.client_secret.is_some() || !self.record.other_client_secrets.is_empty();
        if matches!(self.shelf, Shelf::Read) && !is_needed && has_one {
            self.record.client_secret = None;
            self.record.client_secret_issuer = None;
            self.record.other_client_secrets = Vec::new();
            self.shelf = Shelf::PutAway { fetching: false, reason: None };
        }
    }

    /// Starts to load the secret if `ask` needs it.
    pub(super) fn fetch_client_secret(&mut self, ask: &Ask) {
        if let Shelf::PutAway { fetching: fetching @ false, reason } = &mut self.shelf
            && ask.needs_all()
        {
            *fetching = true;
            *reason = None;
            self.effects.push(Effect::Load);
        }
    }

    /// Prepares a sign-in. If the store has lost the secret together with the grant, the given secret stays in memory
    /// and is saved with the new grant, because the lost item may return before that.
    pub(super) fn prepare_sign_in(
        &mut self,
        ticket: Ticket,
        flow: Flow,
        secret: Option<Secret>,
        issuer: &Issuer,
    ) {
        self.login_expected = true;
        let is_lost = matches!(self.shelf, Shelf::Vanished { .. });
        let result = match secret {
            Some(secret) if !is_lost => return self.keep_client_secret(ticket, secret, issuer),
            Some(secret) => {
                self.put_client_secret(secret, issuer);
                Ok(())
            }
            None => self.check_client_secret(flow, is_lost),
        };
        self.reply(ticket, result);
    }

    /// Fails before imgurd sends the user to the browser, if it is known that the code could not be exchanged.
    fn check_client_secret(&self, flow: Flow, is_lost: bool) -> Result<(), Error> {
        let at_imgur = self.config.token_url.as_str() == DEFAULT_TOKEN_URL;
        if self.record.client_secret.is_some() || flow == Flow::Token || !(is_lost || at_imgur) {
            return Ok(());
        }
        Err(self.lacks_client_secret(is_lost))
    }

    /// The client secret was loaded. Grants in the loaded record are ignored: they were logged out.
    pub(super) fn client_secret_loaded(&mut self, result: Result<Option<Record>, StoreError>) {
        match result {
            Ok(record) => {
                let record = record.unwrap_or_default();
                self.record.client_secret = record.client_secret;
                self.record.client_secret_issuer = record.client_secret_issuer;
                self.record.other_client_secrets = record.other_client_secrets;
                self.shelf = Shelf::Read;
                self.match_issuer();
            }
            Err(error) => {
                self.shelf = Shelf::PutAway { fetching: false, reason: Some(error.to_string()) };
            }
        }
    }
}
