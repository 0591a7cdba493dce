//! The callback URL. imgurd sends it exactly as written, because servers compare it character by character.

use std::net::Ipv6Addr;

use oauth2::RedirectUrl;
use url::{Host, Url};

use super::error::ConfigError;

/// The parameters that a server adds to the callback URL (RFC 6749, sections 4.1.2 and 4.2.2; RFC 9207). imgurd refuses
/// an answer that has one of them twice.
const ADDED: [&str; 6] = ["access_token", "code", "error", "iss", "pin", "state"];

/// Checks a callback URL. The out-of-band callback of older servers is a URN. Applications have schemes in the form
/// of a reversed host name (RFC 8252, section 7.1).
pub(super) fn check(text: String, url: &Url) -> Result<RedirectUrl, ConfigError> {
    match RedirectUrl::new(text).ok().ok_or(NO_SCHEME).and_then(|uri| fault(url).map_or(Ok(uri), Err)) {
        Ok(uri) => Ok(uri),
        Err(fault) => Err(ConfigError::new("redirect_uri", format!("redirect_uri {fault}"))),
    }
}

const NO_SCHEME: &str =
    "has no host; copy it from your registration, with http:// or https:// before the host";

fn fault(url: &Url) -> Option<&'static str> {
    let is_private_scheme =
        url.scheme().contains('.') && !url.path().starts_with(|first: char| first.is_ascii_digit());
    if !url.has_host() && url.scheme() != "urn" && !is_private_scheme {
        return Some(NO_SCHEME);
    }
    if url.fragment().is_some() {
        return Some(
            "has a fragment (#), which a callback must not have (RFC 6749, section 3.1.2); remove it",
        );
    }
    if url.query_pairs().any(|(name, _)| ADDED.contains(&&*name)) {
        return Some("has a parameter that the server adds itself, such as state or code; remove it");
    }
    if url.port() == Some(0) {
        return Some("has port 0, which browsers cannot open; write the port that you registered");
    }
    is_odd_loopback(url).then_some(
        "spells this machine's address in a way that programs read differently; write 127.0.0.1 or localhost",
    )
}

/// Whether browsers treat this host as the local machine although other programs may not.
fn is_odd_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.to_ascii_lowercase();
            let has_dot = name == "localhost.";
            let name = name.trim_end_matches('.');
            let is_odd =
                name.ends_with(".localhost") || name == "localhost.localdomain" || name.starts_with("ip6-");
            is_odd || name.contains('*') || has_dot
        }
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let is_mapped = |address: Ipv6Addr| {
                address.to_ipv4_mapped().is_some_and(|inner| inner.is_loopback() || inner.is_unspecified())
            };
            address.is_unspecified() || is_mapped(address)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        check(text.to_owned(), &url).map(|uri| uri.to_string()).map_err(|error| error.reason)
    }

    #[test]
    fn keeps_redirect_uris_exactly_as_written() {
        for text in [
            "http://LOCALHOST:80/../a",
            "https://example.org/callback?from=here",
            "urn:ietf:wg:oauth:2.0:oob",
            "urn:ietf:wg:oauth:2.0:oob:auto",
            "com.example.app:/oauth2redirect",
            "myapp://callback",
            "http://127.0.0.1:8917",
        ] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn rejects_unusable_redirect_uris_with_the_reason() {
        for (text, fault) in [
            ("localhost:8917/callback", "no host"),
            ("my.host.example:8917/callback", "no host"),
            ("callback:here", "no host"),
            ("http://127.0.0.1:8917/#", "fragment"),
            ("http://127.0.0.1:8917/?state=x", "state or code"),
            ("http://127.0.0.1:8917/?a=b&code", "state or code"),
            ("http://127.0.0.1:0/", "port 0"),
            ("http://0.0.0.0:8917/", "this machine"),
            ("http://[::]:8917/", "this machine"),
            ("http://[::ffff:127.0.0.1]:8917/", "this machine"),
            ("http://foo.localhost:8917/", "this machine"),
            ("http://localhost.:8917/", "this machine"),
        ] {
            let reason = read(text).expect_err(text);
            assert!(reason.contains(fault) && reason.starts_with("redirect_uri "), "{text}: {reason}");
        }
    }
}
