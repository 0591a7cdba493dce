//! Chooses the grant in a text that belongs to an account.

use super::Candidate;
use crate::Error;
use crate::text::printable_name;

/// The account that a grant is for, as far as a text can speak of it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its client ID; `None` if the new account is to get the client of the grant.
    pub client_id: Option<&'a str>,
    /// Its token endpoint.
    pub token_url: &'a str,
    /// Its server's issuer, if known.
    pub issuer: Option<&'a str>,
}

/// A grant that is not the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Where it stands.
    pub place: String,
    /// The part that differs from the account's: `client ID`, `token URL`, `issuer`.
    pub differs: &'static str,
    /// That part in the text, cut.
    pub found: String,
    /// That part of the account.
    pub expected: String,
}

/// The grants of a text, compared with an account.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Those that may be the account's.
    pub fits: Vec<Candidate>,
    /// Those that are not.
    pub passed_over: Vec<PassedOver>,
    /// Whether something says that those that fit are the account's, or nothing raises a doubt.
    is_sure: bool,
}

/// Holds `candidates` against the account. Where some are known to be its own, the others are left out.
#[must_use]
pub fn choose(candidates: Vec<Candidate>, target: &Target<'_>) -> Choice {
    let mut choice = Choice { fits: Vec::new(), passed_over: Vec::new(), is_sure: true };
    for candidate in candidates {
        match target.difference(&candidate) {
            Some((differs, found, expected)) => choice.passed_over.push(PassedOver {
                place: candidate.shown(),
                differs,
                found: printable_name(found),
                expected: expected.to_owned(),
            }),
            None => choice.fits.push(candidate),
        }
    }
    if choice.fits.iter().any(|candidate| target.owns(candidate)) {
        choice.fits.retain(|candidate| target.owns(candidate));
    } else {
        choice.is_sure = !choice.fits.iter().any(|it| it.may_be_anothers() || target.is_elsewhere(it));
    }
    choice
}

impl Choice {
    /// The account's grant: the only one, or the one of number `pick` (from 1) of those that fit.
    pub fn one(mut self, pick: Option<usize>) -> Result<Candidate, Error> {
        let at = match pick {
            Some(pick) => pick.checked_sub(1).filter(|at| *at < self.fits.len()),
            None if self.fits.len() == 1 && self.is_sure => Some(0),
            None => None,
        };
        match at {
            Some(at) => Ok(self.fits.swap_remove(at)),
            None => Err(Error::invalid(if pick.is_some() { "pick" } else { "text" }, self.why_none())),
        }
    }

    fn why_none(&self) -> String {
        let list: Vec<_> =
            self.fits.iter().zip(1..).map(|(it, at)| format!("{at} = {}", it.shown())).collect();
        let list = list.join(", ");
        match (self.fits.len(), self.passed_over.first()) {
            (0, None) => {
                "The text contains no refresh token; give token JSON, a redirect address, the settings of a program, \
                 or a refresh token alone"
                    .to_owned()
            }
            (0, Some(PassedOver { differs, found, expected, .. })) => format!(
                "The {differs} in the text is {found}, and the account's is {expected}, so imgurd sent nothing; \
                 import it into an account with that {differs}"
            ),
            (1, _) if !self.is_sure => format!(
                "The text may contain another service's grant ({list}), so imgurd sent nothing; if it is this \
                 account's, give only the refresh token, or add `--pick 1`"
            ),
            (1, _) => "The text contains only one refresh token for this account; leave out `--pick`".to_owned(),
            (count, _) => format!(
                "The text contains several refresh tokens ({list}), so imgurd sent none; give only one of them, or \
                 choose with `--pick` a number from 1 to {count}"
            ),
        }
    }
}

impl Target<'_> {
    /// The first part that differs: its name, and its value in the text and in the account.
    fn difference<'c>(&'c self, candidate: &'c Candidate) -> Option<(&'static str, &'c str, &'c str)> {
        let client_id = candidate.client_id.as_deref().zip(self.client_id);
        let token_url = candidate.token_url.as_deref().map(|url| (url, self.token_url));
        let issuer = candidate.issuer.as_deref().zip(self.issuer);
        let parts = [
            ("client ID", client_id.filter(|(found, own)| found != own)),
            ("token URL", token_url.filter(|(found, own)| !is_same_url(found, own))),
            ("issuer", issuer.filter(|(found, own)| found != own)),
        ];
        parts.into_iter().find_map(|(name, part)| part.map(|(found, own)| (name, found, own)))
    }

    /// Whether the text says that it is this account's: by its client, its server, or a name in the server's address, as
    /// `imgur` is in `https://api.imgur.com/oauth2/token`.
    fn owns(&self, candidate: &Candidate) -> bool {
        (self.client_id.is_some() && candidate.client_id.is_some())
            || candidate.token_url.is_some()
            || self.host_names().any(|name| candidate.place.to_ascii_lowercase().contains(&name))
    }

    /// Whether the text names a service that this account's server does not seem to be.
    fn is_elsewhere(&self, candidate: &Candidate) -> bool {
        let issuer = candidate.issuer.iter().filter(|_| self.issuer.is_none());
        let own: Vec<_> = self.host_names().chain([self.host().to_ascii_lowercase()]).collect();
        let is_own = |service: &String| own.iter().any(|name| service.to_ascii_lowercase().contains(name));
        candidate.services.iter().chain(issuer).any(|service| !is_own(service))
    }

    fn host(&self) -> &str {
        let host = self.token_url.split_once("://").and_then(|(_, rest)| rest.split(['/', ':', '?']).next());
        host.unwrap_or_default()
    }

    fn host_names(&self) -> impl Iterator<Item = String> {
        let names = self.host().rsplit('.').skip(1).map(str::to_ascii_lowercase);
        names.filter(|name| !is_plain(name) && name.parse::<u8>().is_err())
    }
}

fn is_same_url(one: &str, other: &str) -> bool {
    one.trim().trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

/// Words that name no service.
const PLAIN: &str = "\
    access account accounts api app auth authentication authorization bearer body bot client config \
    configuration content credential credentials current data default env environment grant grants info \
    item json key keys login my new oauth old options output payload request response result saved \
    session settings token tokens user values variable variables";

fn is_plain(word: &str) -> bool {
    PLAIN.split(' ').any(|plain| plain == word)
}

impl Candidate {
    fn shown(&self) -> String {
        if self.place.is_empty() { "the text".to_owned() } else { self.place.clone() }
    }

    /// Whether a name around it may be another service's.
    fn may_be_anothers(&self) -> bool {
        self.names.iter().flat_map(|name| words(name)).any(|word| !is_plain(&word))
    }
}

/// The words of a name: `imgur`, `oauth` and `info` of `ImgurOAuth2Info`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        if !letter.is_alphabetic() || (letter.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = letter.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphabetic()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
