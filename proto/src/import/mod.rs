//! Finds grants in texts: token JSON, redirect addresses, `KEY=value` lines, settings of other programs.
//!
//! [`read`] finds every refresh token in a text, with its access token, user, client and server, if the text has them. [`choose`]
//! takes the grant that belongs to an account, and skips grants of other clients or servers. If several remain, or if the owner of
//! a grant is not clear, it takes none: a refresh token that reaches another server is lost.

mod choice;
mod field;
mod label;
mod shape;

use std::mem;
use std::slice::from_ref;

pub use choice::{Choice, PassedOver, Target, choose};

use crate::Secret;
use crate::text::{self, credential, is_shortened, lone_credential, printable_name};
use field::Given;
use shape::Node;

/// A grant found in a text, with the text's information about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it stands, for people: names of members, a section, the beginning of a variable's name. Nothing secret.
    pub place: String,
    /// The names among them that programs give, which may be that of a service.
    names: Vec<String>,
    /// Obtains new access tokens.
    pub refresh_token: Secret,
    /// The access token beside it.
    pub access_token: Option<Secret>,
    /// The user who signed in.
    pub username: Option<String>,
    /// The application's id, and its secret below, as they stand there: `AddAccount` refuses those that can be none.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<Secret>,
    /// The token endpoint of its server.
    pub token_url: Option<String>,
    /// Its server's issuer identifier (RFC 8414, `issuer`).
    pub issuer: Option<String>,
    /// The services that the text names beside it.
    services: Vec<String>,
}

/// Every grant in `text`, each refresh token once. The text may be JSON, an address or its parameters, lines of
/// `KEY=value` or `key: value` (dotenv, shell, INI, YAML), any other text with a refresh token behind its name, or a
/// bare refresh token.
#[must_use]
pub fn read(text: &str) -> Vec<Candidate> {
    let mut found = Vec::new();
    // A token or an address that a program has shortened. A longer text may end with dots.
    if text.trim().lines().count() == 1 && is_shortened(&text::bare_address(text)) {
        return found;
    }
    match shape::read(text) {
        Some(root) => collect(root, &Given::default(), &mut Vec::new(), &mut found),
        None => found.extend(bare(text)),
    }
    if found.is_empty() {
        let labelled = label::read(text).into_iter();
        found = labelled
            .flat_map(|(prefix, given)| given.candidates(from_ref(&prefix), from_ref(&prefix)))
            .collect();
    }
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in found {
        match kept.iter_mut().find(|known| known.refresh_token == candidate.refresh_token) {
            Some(known) => known.complete(candidate),
            None => kept.push(candidate),
        }
    }
    kept
}

fn bare(text: &str) -> Option<Candidate> {
    let is_token =
        |token: &&str| !field::is_placeholder(token) && !field::is_path(token) && !is_encoded_json(token);
    let token = lone_credential(text).filter(is_token)?;
    let given = Given { refresh_tokens: vec![token.to_owned()], ..Given::default() };
    given.candidates(&[], &[]).into_iter().next()
}

/// Whether it is JSON with a refresh token in Base64: that is `refresh_token` or `refreshToken` at each of the three
/// offsets.
fn is_encoded_json(text: &str) -> bool {
    [
        "cmVmcmVzaF90b2tlb",
        "JlZnJlc2hfdG9rZW4",
        "yZWZyZXNoX3Rva2Vu",
        "cmVmcmVzaFRva2Vu",
        "JlZnJlc2hUb2tlb",
        "yZWZyZXNoVG9rZW4",
    ]
    .iter()
    .any(|encoded| text.contains(encoded))
}

/// The one client secret that `text` gives by name, as files and programs write it; nothing if it gives none, or several.
#[must_use]
pub fn client_secret(text: &str) -> Option<Secret> {
    let mut found = Vec::new();
    collect_client_secrets(shape::read(text)?, &mut found);
    found.dedup();
    match found.as_slice() {
        [only] => credential(only).map(Secret::from),
        _ => None,
    }
}

fn collect_client_secrets(node: Node, found: &mut Vec<String>) {
    found.extend(field::group(node.pairs).into_values().filter_map(|given| given.client_secret));
    node.children.into_iter().for_each(|child| collect_client_secrets(child, found));
}

/// The fields of a node apply to the nodes within it, unless those have their own.
fn collect(node: Node, outer: &Given, path: &mut Vec<(String, bool)>, found: &mut Vec<Candidate>) {
    path.push((node.name, node.is_label));
    let mut groups = field::group(node.pairs);
    let own = groups.remove("").unwrap_or_default();
    let mut shared = own.clone();
    shared.inherit(outer);
    let (places, names) = (shown(path), named(path));
    if !own.refresh_tokens.is_empty() {
        let mut own = own;
        // `IMGUR_CLIENT_ID` beside `REFRESH_TOKEN`: it is of the one service that is named.
        let mut others = groups.values().filter(|group| group.refresh_tokens.is_empty());
        if let (Some(only), None) = (others.next(), others.next()) {
            own.inherit(only);
        }
        own.inherit(outer);
        found.extend(own.candidates(&places, &names));
    }
    for (prefix, mut group) in groups {
        group.inherit(&shared);
        let with = |known: &[String]| known.iter().cloned().chain([prefix.clone()]).collect::<Vec<_>>();
        found.extend(group.candidates(&with(&places), &with(&names)));
    }
    shared.refresh_tokens.clear();
    shared.access_token = None;
    for child in node.children {
        collect(child, &shared, path, found);
    }
    path.pop();
}

fn shown(path: &[(String, bool)]) -> Vec<String> {
    path.iter().map(|(name, _)| printable_name(name)).filter(|name| !name.is_empty()).collect()
}

/// A label is chosen by a person: it may name the account's service, and raises no doubt.
fn named(path: &[(String, bool)]) -> Vec<String> {
    path.iter().filter(|(_, is_label)| !is_label).map(|(name, _)| name.clone()).collect()
}

impl Given {
    fn candidates(&self, places: &[String], names: &[String]) -> Vec<Candidate> {
        let credential_of = |text: &String| credential(text).map(Secret::from);
        let candidate = |refresh_token| Candidate {
            place: places.join("/"),
            names: names.to_vec(),
            refresh_token,
            access_token: self.access_token.as_ref().and_then(credential_of),
            username: self.username.as_deref().and_then(text::name),
            client_id: self.client_id.as_deref().map(|id| text::bare(id).to_owned()),
            client_secret: self.client_secret.as_deref().map(|secret| text::bare(secret).into()),
            token_url: self.token_url.clone(),
            issuer: self.issuer.clone(),
            services: self.services.clone(),
        };
        let tokens = self.refresh_tokens.iter().filter_map(credential_of);
        tokens.filter(|token| !token.expose().contains(' ')).map(candidate).collect()
    }
}

impl Candidate {
    /// The same refresh token stands in another place as well.
    fn complete(&mut self, mut other: Self) {
        let fill = |ours: &mut Option<String>, theirs: &mut Option<String>| {
            if ours.is_none() {
                *ours = mem::take(theirs);
            }
        };
        fill(&mut self.username, &mut other.username);
        fill(&mut self.client_id, &mut other.client_id);
        fill(&mut self.token_url, &mut other.token_url);
        fill(&mut self.issuer, &mut other.issuer);
        self.access_token = self.access_token.take().or(other.access_token);
        self.client_secret = self.client_secret.take().or(other.client_secret);
    }
}

#[cfg(test)]
mod tests;
