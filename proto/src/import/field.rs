//! The names of fields in files and on the web: `refreshToken`, `IMGUR_REFRESH_TOKEN`, `Client_ID`.

use std::collections::BTreeMap;

use crate::text::letters;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    RefreshToken,
    AccessToken,
    Username,
    ClientId,
    ClientSecret,
    TokenUrl,
    Issuer,
    Service,
}

/// Names of fields that say which service a grant is for, by its address or by name.
const SERVICES: &str = "\
    apibaseurl apiurl authorizationendpoint authorizationurl authorizeurl authuri authurl baseurl domain \
    host hostname instance provider server serverurl service site";

/// How the names end, without the characters between their words. The first match counts.
const ENDS: [(&str, Field); 14] = [
    ("refreshtokenurl", Field::TokenUrl),
    ("accesstokenurl", Field::TokenUrl),
    ("tokenendpoint", Field::TokenUrl),
    ("tokenurl", Field::TokenUrl),
    ("tokenuri", Field::TokenUrl),
    ("refreshtoken", Field::RefreshToken),
    ("accesstoken", Field::AccessToken),
    ("accountusername", Field::Username),
    ("username", Field::Username),
    ("clientsecret", Field::ClientSecret),
    ("consumersecret", Field::ClientSecret),
    ("clientid", Field::ClientId),
    ("consumerkey", Field::ClientId),
    ("issuer", Field::Issuer),
];

impl Field {
    /// The field that `name` means, and the prefix of the name: `imgur` in `IMGUR_REFRESH_TOKEN`.
    pub(super) fn of(name: &str) -> Option<(Self, String)> {
        let name = letters(name);
        if name == "iss" {
            return Some((Self::Issuer, String::new()));
        }
        if SERVICES.split(' ').any(|service| service == name) {
            return Some((Self::Service, String::new()));
        }
        ENDS.iter().find_map(|(end, field)| Some((*field, name.strip_suffix(end)?.to_owned())))
    }
}

/// What the text says about a grant, or about all grants within a part of the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// Several where the text says it several times.
    pub(super) refresh_tokens: Vec<String>,
    pub(super) access_token: Option<String>,
    pub(super) username: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) token_url: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) services: Vec<String>,
}

impl Given {
    fn note(&mut self, field: Field, value: String) {
        match field {
            Field::RefreshToken => self.refresh_tokens.push(value),
            Field::AccessToken => self.access_token = Some(value),
            Field::Username => self.username = Some(value),
            Field::ClientId => self.client_id = Some(value),
            Field::ClientSecret => self.client_secret = Some(value),
            Field::TokenUrl => self.token_url = Some(value),
            Field::Issuer => self.issuer = Some(value),
            Field::Service => self.services.push(value),
        }
    }

    /// Takes over the fields of `outer` that this one lacks, except tokens.
    pub(super) fn inherit(&mut self, outer: &Self) {
        for (own, outer) in [
            (&mut self.username, &outer.username),
            (&mut self.client_id, &outer.client_id),
            (&mut self.client_secret, &outer.client_secret),
            (&mut self.token_url, &outer.token_url),
            (&mut self.issuer, &outer.issuer),
        ] {
            if own.is_none() {
                own.clone_from(outer);
            }
        }
        self.services.extend_from_slice(&outer.services);
    }
}

/// The values of the pairs, by the prefixes of their names.
pub(super) fn group(pairs: Vec<(String, String)>) -> BTreeMap<String, Given> {
    let mut groups: BTreeMap<String, Given> = BTreeMap::new();
    for (name, value) in pairs {
        let value = value.trim();
        let known = Field::of(&name).filter(|_| !value.is_empty() && !is_placeholder(value));
        if let Some((field, prefix)) = known {
            groups.entry(prefix).or_default().note(field, value.to_owned());
        }
    }
    groups
}

/// Whether it is the name of a file rather than its content.
pub(super) fn is_path(text: &str) -> bool {
    let begins = ["~/", "./", "../", "/home/", "/root/", "/etc/", "/tmp/", "/run/", "/var/"];
    let ends = [".conf", ".env", ".export", ".ini", ".json", ".toml", ".txt", ".yaml", ".yml"];
    begins.iter().any(|begin| text.starts_with(begin)) || ends.iter().any(|end| text.ends_with(end))
}

/// Whether it stands for a value that is elsewhere: a variable of Postman or of a shell, or a sample's placeholder.
pub(super) fn is_placeholder(value: &str) -> bool {
    let letters = value.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()).to_ascii_lowercase();
    letters.is_empty()
        || PLACEHOLDERS.contains(&letters.as_str())
        || value.contains("***")
        || value.contains("{{")
        || is_variable(value)
        || is_email(value)
        || (letters.len() > 2 && letters.bytes().all(|letter| letter == b'x'))
        || (letters.starts_with("your") && letters.contains("token"))
        || (value.starts_with('<') && value.ends_with('>'))
}

/// What programs and samples write for a hidden or absent value.
const PLACEHOLDERS: [&str; 11] = [
    "changeme",
    "false",
    "hidden",
    "nil",
    "none",
    "null",
    "password",
    "redacted",
    "secret",
    "true",
    "undefined",
];

/// Whether it is an email address.
fn is_email(value: &str) -> bool {
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || ".-".contains(letter);
    value.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && host.chars().all(is_host) && !host.ends_with('.')
    })
}

/// Whether it is a variable of a shell: `$NAME`, `${NAME}`, `$(COMMAND)`. Other text may begin with `$` and be a token.
fn is_variable(value: &str) -> bool {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':');
    value.strip_prefix('$').is_some_and(|name| {
        name.starts_with(['{', '('])
            || (!name.starts_with(|first: char| first.is_ascii_digit()) && name.chars().all(is_name))
    })
}

/// Whether a value of this name is read at all.
pub(super) fn is_field(name: &str) -> bool {
    Field::of(name).is_some_and(|(field, _)| field != Field::Service)
}
