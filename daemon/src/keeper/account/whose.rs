//! Whose a new grant is. A redirect comes by way of the browser, and an imported text from anywhere: the names in them may
//! be anyone's. So the API is asked before a working grant makes way, and until it answers the new one is set aside.

use std::path::PathBuf;

use imgurd_proto::{Error, Secret};
use url::Url;

use super::granting::describe;
use super::{Account, CHANGED_MEANWHILE, Effect, Now, Ticket};
use crate::grant::Grant;
use crate::provider::Identity;

/// A grant that waits, set aside, for the API's word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) ticket: Ticket,
    pub(super) generation: u64,
    /// Whether the token endpoint itself said that it is the same person's, which counts where there is no API.
    pub(super) vouched: bool,
    /// The number of the first request that may have led to it.
    pub(super) began: u64,
}

impl Account {
    /// Asks the API whose the set-aside grant is; where it is the same person's, it takes the place of the one in use.
    pub(super) fn ask_whose(&mut self, asking: Asking, now: Now, fx: &mut Vec<Effect>) {
        let generation = asking.generation;
        self.asking.push(asking);
        match self.question(generation) {
            Some((api_url, ca_file, token)) => {
                fx.push(Effect::Identify { generation, api_url, ca_file, token });
            }
            None => self.told_whose(generation, Identity::Unsupported, now, fx),
        }
    }

    fn question(&self, generation: u64) -> Option<(Url, Option<PathBuf>, Secret)> {
        let token = self.displaced(generation)?.access.as_ref()?.token.clone();
        Some((self.config.api_url.clone()?, self.config.ca_file.clone(), token))
    }

    fn is_in_use(&self, generation: u64) -> bool {
        self.record.grant.as_ref().is_some_and(|grant| grant.generation == generation)
    }

    pub(super) fn told_whose(&mut self, generation: u64, identity: Identity, now: Now, fx: &mut Vec<Effect>) {
        let Some(index) = self.asking.iter().position(|asking| asking.generation == generation) else {
            return;
        };
        let Asking { ticket, vouched, began, .. } = self.asking.swap_remove(index);
        let result = match self.record.displaced.iter().position(|it| it.grant.generation == generation) {
            None if self.is_in_use(generation) => Ok(()), // somebody restored it
            None => Err(self.signed_out_meanwhile()),
            Some(index) => match self.may_take_over(index, vouched, identity) {
                Ok(()) => {
                    let grant = self.record.displaced.remove(index).grant;
                    self.install(grant, now);
                    self.supersede(generation, began, now);
                    return self.publish_or_settle(ticket);
                }
                Err(error) => Err(error),
            },
        };
        fx.push(Effect::Reply { ticket, result });
    }

    fn may_take_over(&mut self, index: usize, vouched: bool, identity: Identity) -> Result<(), Error> {
        if let Identity::Known(name) = &identity {
            self.record.displaced[index].grant.username = Some(name.clone());
            self.ledger.touch();
        }
        let new = &self.record.displaced[index].grant;
        if !new.issuer.is(&self.config.issuer()) {
            let reason = format!("The new grant is set aside, since {CHANGED_MEANWHILE}");
            return Err(Error::LoginFailed { reason, set_aside: Some(describe(new)) });
        }
        let Some(current) = self.working() else { return Ok(()) };
        let why = match identity {
            Identity::Known(name) if current.username.as_ref() == Some(&name) => return Ok(()),
            Identity::Unsupported if vouched => return Ok(()),
            Identity::Known(_) => return Err(self.is_anothers(new, current)),
            Identity::Rejected => "The API does not accept the new token".to_owned(),
            Identity::Untold(reason) => format!("The API did not say whose the new grant is ({reason})"),
            Identity::Unsupported => "No API says whose the new grant is".to_owned(),
        };
        let (name, holder) = (&self.name, describe(current));
        Err(Error::login(format!(
            "{why}, so the grant of {holder} stays and the new one is set aside; run `imgurctl restore {name}` to change \
             over to it, or sign in with --replace"
        )))
    }

    /// Somebody else's grant is set aside.
    pub(super) fn is_anothers(&self, new: &Grant, current: &Grant) -> Error {
        let (name, new, holder) = (&self.name, describe(new), describe(current));
        let reason = format!(
            "{new} signed in, but {name} holds the grant of {holder}: it stays, and the new one is set aside; run \
             `imgurctl restore {name}` to change over to it, or sign in with --replace"
        );
        Error::LoginFailed { reason, set_aside: Some(new) }
    }
}
