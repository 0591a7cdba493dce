//! The tokens that the fake Imgur has issued, and which of them are valid. Independent of HTTP.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::behaviour::{Behaviour, Rotation};
use super::refusal::Refusal;

/// How long a code or PIN can be redeemed (RFC 6749, section 4.1.2: at most ten minutes).
const CODE_LIFETIME: Duration = Duration::from_mins(10);

/// An access token and what goes with it.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) user: String,
    pub(super) access: String,
    /// `None` if the answer has no refresh token.
    pub(super) refresh: Option<String>,
}

/// What the user consented to.
#[derive(Clone, Debug, Default)]
pub(super) struct Consent {
    pub(super) user: String,
    pub(super) challenge: Option<String>,
    pub(super) redirect_uri: Option<String>,
}

/// An issued code. A PIN is a code that a user can type.
#[derive(Debug)]
struct Code {
    text: String,
    is_pin: bool,
    issued: Instant,
    consent: Consent,
}

#[derive(Debug)]
struct Grant {
    user: String,
    refresh: String,
    /// Replaced refresh tokens, with the time.
    consumed: Vec<(String, Instant)>,
    revoked: bool,
}

#[derive(Debug)]
struct Access {
    token: String,
    grant: usize,
    turn: usize,
    expires: Instant,
    dead: bool,
}

/// The position of a token in the history of its grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The number of the grant.
    pub grant: usize,
    /// How many refresh tokens of the grant were replaced before this token was issued.
    pub turn: usize,
    /// How many refresh tokens of the grant have been replaced until now.
    pub newest: usize,
    /// When this refresh token was replaced.
    pub used: Option<Instant>,
    /// Whether the server has revoked the grant.
    pub revoked: bool,
}

/// All grants, tokens, codes and PINs.
#[derive(Debug)]
pub(super) struct IssuedTokens {
    seed: String,
    grants: Vec<Grant>,
    accesses: Vec<Access>,
    codes: Vec<Code>,
    secrets: Vec<String>,
}

impl IssuedTokens {
    /// `seed` makes the tokens of this fake unique.
    pub(super) fn new(seed: String) -> Self {
        Self { seed, grants: Vec::new(), accesses: Vec::new(), codes: Vec::new(), secrets: Vec::new() }
    }

    /// All secrets that were issued or learned.
    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Adds a secret that came from elsewhere.
    pub(super) fn learn(&mut self, secret: &str) {
        if !secret.is_empty() && !self.secrets.iter().any(|known| known == secret) {
            self.secrets.push(secret.to_owned());
        }
    }

    /// The code or PIN for the user's consent.
    pub(super) fn code(&mut self, consent: Consent, is_pin: bool, now: Instant) -> String {
        let text = self.mint(if is_pin { 10 } else { 40 });
        self.codes.push(Code { text: text.clone(), is_pin, issued: now, consent });
        text
    }

    /// A new grant for this user.
    pub(super) fn grant(&mut self, behaviour: &Behaviour, user: &str, now: Instant) -> Issued {
        let refresh = self.mint(40);
        self.grants.push(Grant {
            user: user.to_owned(),
            refresh: refresh.clone(),
            consumed: Vec::new(),
            revoked: false,
        });
        let access = self.issue(behaviour, self.grants.len() - 1, now);
        Issued { user: user.to_owned(), access, refresh: Some(refresh) }
    }

    /// Redeems a code or PIN. It works once.
    pub(super) fn redeem(
        &mut self,
        behaviour: &Behaviour,
        text: &str,
        is_pin: bool,
        presented: &Consent,
        now: Instant,
    ) -> Result<Issued, Refusal> {
        let refusal = if is_pin { Refusal::Pin } else { Refusal::Code };
        let position =
            self.codes.iter().position(|code| code.is_pin == is_pin && code.text == text).ok_or(refusal)?;
        let code = self.codes.remove(position);
        if now >= code.issued + CODE_LIFETIME || presented.challenge != code.consent.challenge {
            return Err(refusal);
        }
        // RFC 6749, section 4.1.3: if the first request had a redirect URI, the second must repeat it.
        if code.consent.redirect_uri.is_some() && code.consent.redirect_uri != presented.redirect_uri {
            return Err(Refusal::RedirectUri);
        }
        Ok(self.grant(behaviour, &code.consent.user, now))
    }

    /// Redeems a refresh token.
    pub(super) fn refresh(
        &mut self,
        behaviour: &Behaviour,
        token: &str,
        now: Instant,
    ) -> Result<Issued, Refusal> {
        let index = self
            .grants
            .iter()
            .position(|grant| grant.knows(token))
            .filter(|index| !self.grants[*index].revoked)
            .ok_or(Refusal::RefreshToken)?;
        if self.grants[index].refresh != token && !self.grants[index].forgives(behaviour.rotation, token, now)
        {
            if behaviour.rotation == Rotation::ReuseDetection {
                self.revoke(index);
            }
            return Err(Refusal::RefreshToken);
        }
        self.rotate(behaviour.rotation, index, token, now);
        let access = self.issue(behaviour, index, now);
        let grant = &self.grants[index];
        Ok(Issued {
            user: grant.user.clone(),
            access,
            refresh: (behaviour.rotation != Rotation::Omitted).then(|| grant.refresh.clone()),
        })
    }

    /// The user of a valid access token.
    pub(super) fn user_of(&self, access: &str, now: Instant) -> Option<&str> {
        self.accesses
            .iter()
            .find(|entry| entry.token == access && !entry.dead && now < entry.expires)
            .map(|entry| self.grants[entry.grant].user.as_str())
    }

    /// The position of this refresh or access token, if it was issued here.
    pub(super) fn standing(&self, token: &str) -> Option<Standing> {
        let access = self.accesses.iter().rev().find(|access| access.token == token);
        let known = |(index, grant): (usize, &Grant)| Some((index, grant.turn(token)?));
        let (grant, turn) = access
            .map(|access| (access.grant, access.turn))
            .or_else(|| self.grants.iter().enumerate().find_map(known))?;
        let Grant { consumed, revoked, .. } = &self.grants[grant];
        let used = consumed.get(turn).filter(|_| access.is_none()).map(|(_, at)| *at);
        Some(Standing { grant, turn, newest: consumed.len(), used, revoked: *revoked })
    }

    /// Invalidates all access tokens.
    pub(super) fn kill_access_tokens(&mut self) {
        self.accesses.iter_mut().for_each(|access| access.dead = true);
    }

    /// Revokes all grants and their access tokens.
    pub(super) fn revoke_all(&mut self) {
        (0..self.grants.len()).for_each(|index| self.revoke(index));
    }

    /// Revokes the grant of this refresh or access token.
    pub(super) fn revoke_token(&mut self, token: &str) {
        if let Some(Standing { grant, .. }) = self.standing(token) {
            self.revoke(grant);
        }
    }

    fn revoke(&mut self, index: usize) {
        self.grants[index].revoked = true;
        self.accesses.iter_mut().filter(|access| access.grant == index).for_each(|access| access.dead = true);
    }

    fn rotate(&mut self, rotation: Rotation, index: usize, presented: &str, now: Instant) {
        let rotates = !matches!(rotation, Rotation::Off | Rotation::Omitted);
        // A token that is reused within the grace period has been replaced already.
        if rotates && self.grants[index].refresh == presented {
            let fresh = self.mint(40);
            let grant = &mut self.grants[index];
            let used = std::mem::replace(&mut grant.refresh, fresh);
            grant.consumed.push((used, now));
        }
    }

    fn issue(&mut self, behaviour: &Behaviour, grant: usize, now: Instant) -> String {
        if behaviour.one_live_token {
            let user = &self.grants[grant].user;
            for access in &mut self.accesses {
                access.dead |= self.grants[access.grant].user == *user;
            }
        }
        let token = self.mint(40);
        self.accesses.push(Access {
            token: token.clone(),
            grant,
            turn: self.grants[grant].consumed.len(),
            expires: now + behaviour.lifetime,
            dead: false,
        });
        token
    }

    /// A new, unique secret of hexadecimal digits.
    fn mint(&mut self, digits: usize) -> String {
        let hash = Sha256::digest(format!("{} {}", self.seed, self.secrets.len()));
        let mut text = format!("{hash:x}");
        text.truncate(digits);
        self.secrets.push(text.clone());
        text
    }
}

impl Grant {
    fn knows(&self, token: &str) -> bool {
        self.turn(token).is_some()
    }

    /// How many refresh tokens of the grant came before this one.
    fn turn(&self, token: &str) -> Option<usize> {
        if self.refresh == token {
            return Some(self.consumed.len());
        }
        self.consumed.iter().rposition(|(used, _)| used == token)
    }

    fn forgives(&self, rotation: Rotation, token: &str, now: Instant) -> bool {
        let Rotation::Grace(grace) = rotation else {
            return false;
        };
        self.consumed.iter().any(|(used, at)| used == token && now < *at + grace)
    }
}

/// The PKCE challenge for a verifier (RFC 7636, section 4.2, S256).
pub(super) fn challenge_of(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}
