//! Finds out which user a new grant belongs to. A redirect passes through the browser, and an imported text may come
//! from anywhere, so the usernames in them prove nothing. imgurd asks the API before it replaces a working grant, and
//! sets the new one aside until the API answers.

use imgurd_proto::Error;

use super::pending::{Identification, Import};
use super::refreshing::Refresh;
use super::sentences::set_aside_for_its_issuer;
use super::{Effect, Machine};
use crate::grant::Grant;
use crate::provider::{Inquiry, Owner, TokenOwner, Who};

impl Machine {
    /// Asks the API whose the set-aside grant is. If it is the same user's, it becomes the current grant.
    pub(super) fn identify(&mut self, identification: Identification) {
        let generation = identification.generation;
        self.identifications.push(identification);
        match self.displaced(generation).and_then(|grant| self.question(grant)) {
            Some((generation, inquiry)) => self.effects.push(Effect::Identify { generation, inquiry }),
            None => self.identified(generation, TokenOwner::Unsupported),
        }
    }

    /// The request that asks the API whose the current grant is.
    pub(in crate::keeper) fn identifiable(&self) -> Option<(u64, Inquiry)> {
        self.question(self.grant()?)
    }

    fn question(&self, grant: &Grant) -> Option<(u64, Inquiry)> {
        let userinfo = self.config.userinfo_url.clone().map(Who::Userinfo);
        let inquiry = Inquiry {
            who: userinfo.or_else(|| self.config.api_url.clone().map(Who::Api))?,
            ca_file: self.config.ca_file.clone(),
            access_token: grant.access.as_ref()?.token.clone(),
        };
        Some((grant.generation, inquiry))
    }

    pub(super) fn identified(&mut self, generation: u64, owner: TokenOwner) {
        if let TokenOwner::Known(owner) = &owner {
            self.note_owner(generation, owner);
        }
        let Some(index) = self.identifications.iter().position(|it| it.generation == generation) else {
            return;
        };
        let Identification { ticket, vouched, began, is_verified, .. } =
            self.identifications.swap_remove(index);
        if matches!(owner, TokenOwner::Rejected) && !is_verified && self.may_have_ended(generation, began) {
            let of_login = true;
            return self.verify(Import { ticket, generation, replace: false, is_new: false, of_login });
        }
        let result = match self.displaced_index(generation) {
            // The user has restored it meanwhile.
            None if self.record.grants().any(|grant| grant.generation == generation) => Ok(()),
            None => Err(self.signed_out_meanwhile()),
            Some(index) => match self.may_take_over(index, vouched, owner) {
                Ok(()) => return self.promote(index, began, ticket),
                Err(error) => Err(error),
            },
        };
        self.effects.push(Effect::Reply { ticket, result });
    }

    /// Whether a refresh that crossed the login may have invalidated its access token, so that its refresh token has
    /// to bring another.
    fn may_have_ended(&self, generation: u64, began: u64) -> bool {
        let is_refreshing = matches!(self.refresh, Refresh::Sent(_)) || !self.older.is_empty();
        let crossed = is_refreshing || self.granted.is_some_and(|granted| granted >= began);
        let fits = |grant: &Grant| grant.refresh_token.is_some() && grant.issuer.is(&self.config.issuer());
        crossed
            && self.verifying().is_none()
            && self.working().is_some()
            && self.displaced(generation).is_some_and(fits)
    }

    fn note_owner(&mut self, generation: u64, owner: &Owner) {
        let grant = self.record.grants_mut().find(|grant| grant.generation == generation);
        let Some(grant) = grant else { return };
        let before = (grant.username.clone(), grant.account_id.clone());
        grant.username = Some(owner.username.clone());
        grant.account_id = owner.account_id.clone().or(grant.account_id.take());
        if before != (grant.username.clone(), grant.account_id.clone()) {
            self.revisions.touch();
        }
    }

    pub(super) fn may_take_over(&self, index: usize, vouched: bool, owner: TokenOwner) -> Result<(), Error> {
        let new = &self.record.displaced[index].grant;
        if !new.issuer.is(&self.config.issuer()) {
            return Err(set_aside_for_its_issuer(new));
        }
        let refusal =
            self.working().and_then(|current| self.why_not_identified(owner, vouched, new, current));
        refusal.map_or(Ok(()), Err)
    }
}
