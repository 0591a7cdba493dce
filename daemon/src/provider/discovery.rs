//! Fetches the metadata of an authorization server (RFC 8414, section 3; OpenID Connect Discovery 1.0, section 4).

use std::path::PathBuf;

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderValue};
use imgurd_proto::{Discovery, Error};
use oauth2::{HttpRequest, HttpResponse};
use url::Url;

use super::classify::{is_missing, is_web_page};
use super::metadata::{self, Unfit, advised};
use super::response::text;
use super::transport::{Timeouts, Transport};
use super::{Answer, Delivery};

/// The time limits. Callers on D-Bus wait 25 s.
const TIMEOUTS: Timeouts = Timeouts::from_secs(5, 10);

/// The two kinds of metadata.
const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Asks the server with the identifier `issuer` for its metadata. The address of the metadata itself also works.
pub async fn discover(issuer: &str, ca_file: Option<PathBuf>) -> Result<Discovery, Error> {
    let issuer = [OPENID, OAUTH].iter().find_map(|ending| issuer.strip_suffix(ending)).unwrap_or(issuer);
    let (mut found, mut objection) = (None, None);
    for kind in [OPENID, OAUTH] {
        for place in places(issuer, kind) {
            match ask(&place, issuer, ca_file.clone()).await {
                Ok(more) => {
                    // Some servers name one endpoint in one kind of metadata, and another in the other kind.
                    found = Some(found.map_or(more.clone(), |found| metadata::joined(found, more)));
                    break;
                }
                Err(Failure::Unreachable(reason)) => return Err(unreachable(issuer, &reason)),
                Err(Failure::Unfit(unfit)) => objection = objection.max(Some(unfit.at(&place))),
                Err(Failure::NotThere) => {}
            }
        }
    }
    let nothing = || advised("the server publishes no metadata, by OpenID Connect or RFC 8414");
    found.ok_or_else(|| unusable(issuer, &objection.map_or_else(nothing, |(_, reason)| reason)))
}

/// The possible addresses of one kind of metadata. If the issuer has a path, before or after that.
fn places(issuer: &str, kind: &str) -> Vec<Url> {
    let Ok(url) = Url::parse(issuer) else { return Vec::new() };
    let path = url.path().trim_end_matches('/').to_owned();
    let mut paths = vec![format!("{path}{kind}"), format!("{kind}{path}")];
    paths.dedup();
    let at = |path: String| {
        let mut place = url.clone();
        place.set_path(&path);
        place
    };
    paths.into_iter().map(at).collect()
}

enum Failure {
    /// There is no metadata at this address.
    NotThere,
    Unfit(Unfit),
    /// The server itself is unreachable, so other addresses do not help.
    Unreachable(String),
}

async fn ask(place: &Url, issuer: &str, ca_file: Option<PathBuf>) -> Result<Discovery, Failure> {
    let mut request = HttpRequest::new(Vec::new());
    *request.uri_mut() = place.as_str().parse().map_err(|_| Failure::NotThere)?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    match Transport::get(place, ca_file, TIMEOUTS, request).await {
        Ok(response) => understand(&response, issuer),
        Err(Answer::Transient(trouble)) if trouble.delivery == Delivery::NotSent => {
            Err(Failure::Unreachable(trouble.reason))
        }
        Err(Answer::Transient(trouble)) => Err(Failure::Unfit(Unfit::NoMetadata(trouble.reason))),
        Err(Answer::Misconfigured { reason, .. } | Answer::Refused { reason }) => {
            Err(Failure::Unfit(Unfit::Wrong(reason)))
        }
        Err(Answer::Granted(_)) => Err(Failure::NotThere),
    }
}

fn understand(response: &HttpResponse, issuer: &str) -> Result<Discovery, Failure> {
    let (status, body) = (response.status(), &*text(response.body()));
    let no_metadata = |reason: String| Err(Failure::Unfit(Unfit::NoMetadata(reason)));
    match status {
        StatusCode::OK if is_web_page(response.headers(), body) => {
            no_metadata("the answer is a web page".to_owned())
        }
        StatusCode::OK => metadata::read(body, issuer).map_err(Failure::Unfit),
        _ if is_missing(status) => Err(Failure::NotThere),
        _ if status.is_redirection() => no_metadata(format!(
            "the answer is a redirect (HTTP {}), which imgurd does not follow",
            status.as_u16()
        )),
        _ => no_metadata(format!("the server answers with HTTP {}", status.as_u16())),
    }
}

fn unusable(issuer: &str, reason: &str) -> Error {
    Error::invalid("issuer", format!("imgurd cannot use the metadata of {issuer}: {reason}"))
}

fn unreachable(issuer: &str, reason: &str) -> Error {
    let reason = format!("imgurd cannot get the metadata of {issuer}: {reason}; try again later");
    Error::unavailable(reason)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://as.example", &["/.well-known/openid-configuration"])]
    #[case("https://as.example/", &["/.well-known/openid-configuration"])]
    #[case(
        "https://as.example/a/b",
        &["/a/b/.well-known/openid-configuration", "/.well-known/openid-configuration/a/b"]
    )]
    fn looks_for_metadata_at_every_standard_place(#[case] issuer: &str, #[case] paths: &[&str]) {
        let found = places(issuer, OPENID);
        assert_eq!(found.iter().map(Url::path).collect::<Vec<_>>(), paths);
        assert!(found.iter().all(|place| place.host_str() == Some("as.example")));
    }
}
