//! The tokens that imgurd knows to be invalid: replaced refresh tokens, rejected access tokens, and access tokens that a newer one
//! of the same user and client invalidated. imgurd neither sends them to the server nor hands them out.

use imgurd_proto::{Error, RefreshReuse};

use super::Machine;
use super::refreshing::access;
use crate::grant::{Access, Grant, Secret, Timestamp};
use crate::keeper::policy;
use crate::provider::{Answer, Delivery, TokenResponse, Transient, shown_of_a_server};

/// The shortest secret that imgurd looks for within another text, in bytes.
const SHORTEST: usize = 8;

impl Machine {
    fn tolerates_reuse(&self) -> bool {
        self.config.refresh_reuse == RefreshReuse::Tolerated
    }

    /// `old` with the server's new tokens. Remembers the fingerprint of the replaced refresh token.
    pub(super) fn renew(&mut self, old: &Grant, tokens: TokenResponse, now: Timestamp) -> Grant {
        let new = renewed(old, tokens, now);
        if new.refresh_token != old.refresh_token {
            self.note_replaced(old.refresh_token.clone());
        }
        self.forget_replaced(new.refresh_token.as_ref());
        self.note_proven();
        new
    }

    pub(super) fn note_replaced(&mut self, token: Option<Secret>) {
        if let Some(token) = token {
            self.record.replaced.note(&token, policy::MOST_REPLACED);
        }
    }

    /// The server issued this token again, or accepted it, so it is valid.
    fn forget_replaced(&mut self, token: Option<&Secret>) {
        if let Some(token) = token {
            self.record.replaced.forget(token);
        }
    }

    /// Keeps only the fingerprint of the previous refresh token if reuse revokes the grant. There it would be useful
    /// only to a thief.
    pub(super) fn drop_previous_unless_tolerated(&mut self) {
        if !self.tolerates_reuse()
            && let Some(previous) = self.record.previous_refresh_token.take()
        {
            self.note_replaced(Some(previous));
            self.revisions.touch();
        }
    }

    /// Why imgurd does not send a refresh token that the user brings: it is an old one of this account. If reuse is
    /// tolerated and there is no working grant, it may still help.
    pub(super) fn refuses_as_replaced(&self, token: &Secret) -> Option<Error> {
        let is_held = self.record.grants().any(|grant| grant.refresh_token.as_ref() == Some(token));
        let is_previous = self.record.previous_refresh_token.as_ref() == Some(token);
        let is_replaced = !is_held && (is_previous || self.record.replaced.contains(token));
        if !is_replaced || (self.tolerates_reuse() && self.working().is_none()) {
            return None;
        }
        Some(self.is_replaced(self.working().is_some()))
    }

    /// An answer brought new tokens for the grant `generation`. The first request that may have led to it had the
    /// number `began`. A user has only one valid access token per client, so all others are invalid now. If two
    /// answers crossed, imgurd cannot know which token is valid; then a refresh brings one that certainly is.
    pub(super) fn supersede(&mut self, generation: u64, began: u64) {
        let crossed = self.granted.replace(self.next_op).is_some_and(|granted| granted >= began);
        let Some(newest) = self.record.grants().find(|grant| grant.generation == generation).cloned() else {
            return;
        };
        let mut in_use_died = false;
        let mut any_died = false;
        for grant in self.record.grants_mut().filter(|grant| is_ended_by(grant, &newest)) {
            if let Some(access) = grant.access.as_mut().filter(|access| !access.dead) {
                access.dead = true;
                any_died = true;
            }
        }
        if any_died {
            self.revisions.touch_grant();
        }
        if let Some(grant) = &mut self.record.grant {
            in_use_died = any_died && is_ended_by(grant, &newest);
            if grant.generation == generation && crossed && any_died {
                in_use_died = true;
                grant.access.iter_mut().for_each(|access| access.dead = true);
            }
        }
        if in_use_died {
            self.try_now();
        }
    }

    /// A request was sent and its answer was lost. The server may have issued a new access token and so invalidated
    /// the current one.
    pub(super) fn note_lost_answer(&mut self, answer: &Answer) {
        let is_lost = matches!(answer, Answer::Transient(Transient { delivery: Delivery::InDoubt, .. }));
        if is_lost && self.working().is_some() && self.trouble.is_none() {
            self.try_now();
        }
    }

    /// A caller reports that `token` was rejected. If it belongs to a grant that is not in use, imgurd remembers this
    /// in case the grant is restored. Returns whether there is something to save.
    pub(super) fn note_rejected_of_displaced(&mut self, token: &Secret) -> bool {
        let mut displaced = self.record.displaced.iter_mut().filter_map(|it| it.grant.access.as_mut());
        match displaced.find(|access| access.token == *token) {
            Some(access) if access.dead => false,
            Some(access) => {
                access.dead = true;
                self.revisions.touch();
                true
            }
            None => {
                // It may be one that cannot be read yet, or that the user imports later.
                let is_current = self.record.grant.as_ref().and_then(|grant| grant.access.as_ref());
                if is_current.is_none_or(|access| access.token != *token) {
                    self.rejected.note(token, policy::MOST_REJECTED);
                }
                false
            }
        }
    }

    pub(super) fn note_rejected(&mut self) {
        if let Some(access) = self.record.grant.as_mut().and_then(|grant| grant.access.as_mut()) {
            access.dead = true;
            self.revisions.touch();
        }
    }

    /// Marks tokens that callers rejected while the record could not be read, and those that an earlier version did
    /// not mark.
    pub(super) fn mark_dead_tokens(&mut self) {
        let newest = self.record.grant.clone();
        let mut changed = false;
        for grant in self.record.grants_mut() {
            let is_ended =
                newest.as_ref().is_some_and(|newest| is_ended_by(grant, newest) && is_older(grant, newest));
            if let Some(access) = grant.access.as_mut().filter(|access| !access.dead)
                && (is_ended || self.rejected.contains(&access.token))
            {
                access.dead = true;
                changed = true;
            }
        }
        if changed {
            self.revisions.touch();
        }
    }

    pub(super) fn is_known_dead(&self, token: &Secret) -> bool {
        let mut held = self.record.grants().filter_map(|grant| grant.access.as_ref());
        self.rejected.contains(token) || held.any(|access| access.dead && access.token == *token)
    }

    /// The part of a server's text that imgurd may show.
    pub(in crate::keeper) fn shown(&self, text: &str) -> Option<String> {
        let of_grant = |grant: &Grant| {
            grant
                .refresh_token
                .clone()
                .into_iter()
                .chain(grant.access.as_ref().map(|access| access.token.clone()))
        };
        let secrets =
            self.record.client_secret.clone().into_iter().chain(self.record.grants().flat_map(of_grant));
        shown_of_a_server(text, &secrets.filter(|secret| !secret.is_empty()).collect::<Vec<_>>())
    }

    /// What `given` is, if it is another secret of this account than the expected one. An older grant with the same
    /// refresh token does not count.
    pub(super) fn known_as(&self, given: &Secret) -> Option<&'static str> {
        let has_access_token =
            |grant: &Grant| grant.access.as_ref().is_some_and(|access| is_in(&access.token, given));
        let is_refresh_token = |grant: &Grant| grant.refresh_token.as_ref() == Some(given);
        if self.record.client_secret.as_ref().is_some_and(|secret| secret == given || is_in(secret, given)) {
            Some("the client secret")
        } else if given.expose() == self.config.client_id {
            Some("the client ID")
        } else if self.record.grants().any(|grant| has_access_token(grant) && !is_refresh_token(grant)) {
            Some("an access token")
        } else {
            None
        }
    }

    /// Like [`Self::known_as`], for an answer of the sign-in page, which is not a refresh token either.
    pub(super) fn known_as_no_answer(&self, given: &Secret) -> Option<&'static str> {
        let mut tokens = self.record.grants().filter_map(|grant| grant.refresh_token.as_ref());
        self.known_as(given).or_else(|| tokens.any(|token| is_in(token, given)).then_some("a refresh token"))
    }

    fn client_settings(&self) -> Secret {
        let client = self.client();
        let secret = client.secret.as_ref().map_or("", |secret| secret.expose());
        Secret::from(format!("{}\0{}\0{:?}\0{secret}", client.token_url, client.id, client.auth))
    }

    /// The server issued tokens to the client with its current settings.
    pub(super) fn note_proven(&mut self) {
        let settings = self.client_settings();
        if !self.record.proven.contains(&settings) {
            self.record.proven.note(&settings, 1);
        }
    }

    /// Whether the server has issued tokens to the client with its current settings. An earlier version did not record
    /// that: there, a refreshed grant shows that its settings work.
    pub(super) fn is_proven(&self) -> bool {
        let was_refreshed = |grant: &Grant| {
            grant.kept > 0 || grant.access.as_ref().is_some_and(|access| access.issued_at > grant.granted_at)
        };
        if self.record.proven.is_empty() {
            return self.grant().is_some_and(was_refreshed);
        }
        self.record.proven.contains(&self.client_settings())
    }
}

/// `old` with the server's new tokens. If the server does not repeat the refresh token, the old one stays valid (RFC
/// 6749, section 6).
fn renewed(old: &Grant, tokens: TokenResponse, now: Timestamp) -> Grant {
    let dead = !tokens.is_bearer();
    let lacks_access_token = tokens.access_token.is_none();
    let kept = !tokens.has_odd_refresh_token
        && (tokens.refresh_token.is_none() || tokens.refresh_token == old.refresh_token);
    // The server's value is for the new token; the old token's expiry does not change.
    let refresh_expires_at = policy::lifetime(tokens.refresh_expires_in).map(|lifetime| now + lifetime);
    let refresh_expires_at = refresh_expires_at.or(old.refresh_expires_at.filter(|_| kept));
    Grant {
        refresh_expires_at,
        refresh_token: tokens.refresh_token.or_else(|| old.refresh_token.clone()),
        access: match tokens.access_token {
            Some(token) => Some(Access { dead, ..access(token, tokens.token_type, tokens.expires_in, now) }),
            // It may still be valid, as after every answer that cannot be read.
            None => old.access.clone(),
        },
        username: tokens.username.or_else(|| old.username.clone()),
        account_id: tokens.account_id.or_else(|| old.account_id.clone()),
        scope: tokens.scope.or_else(|| old.scope.clone()),
        kept: if kept { old.kept.saturating_add(1) } else { 0 },
        unverified: old.unverified && lacks_access_token,
        lacks_new_refresh_token: tokens.has_odd_refresh_token,
        ..old.clone()
    }
}

fn is_in(secret: &Secret, given: &Secret) -> bool {
    secret.expose().len() >= SHORTEST && given.expose().contains(secret.expose())
}

/// Whether a new access token of `newest` invalidates the one of `grant`. If a server names no user, imgurd assumes
/// that there is only one.
fn is_ended_by(grant: &Grant, newest: &Grant) -> bool {
    grant.generation != newest.generation && grant.issuer.is(&newest.issuer) && !grant.is_anothers(newest)
}

fn is_older(grant: &Grant, newest: &Grant) -> bool {
    let issued = |grant: &Grant| grant.access.as_ref().map(|access| access.issued_at);
    issued(grant) <= issued(newest)
}
