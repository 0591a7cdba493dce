//! What the headers of a request on the loopback interface reveal about its origin.

use hyper::header::{self, HeaderMap, HeaderName};
use url::Url;

const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
pub(crate) const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Headers with which browsers mark a page that they load before the user opens it.
const PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-moz"),
];
const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a request has exactly one `Host` header, and that is for `url`. Another name for this machine indicates
/// DNS rebinding.
pub(crate) fn is_addressed_to(url: &Url, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(|host| is_authority_of(url, host))
}

/// Whether this is the host and the port of `url`.
pub(crate) fn is_authority_of(url: &Url, host: &str) -> bool {
    let with_port = |port| format!("{}:{port}", url.host_str().unwrap_or_default());
    match url.port() {
        Some(port) => host.eq_ignore_ascii_case(&with_port(port)),
        None => {
            host.eq_ignore_ascii_case(url.host_str().unwrap_or_default())
                || url.port_or_known_default().is_some_and(|port| host.eq_ignore_ascii_case(&with_port(port)))
        }
    }
}

/// Whether the user navigated there (W3C Fetch Metadata). Otherwise the request is from another site's script, frame
/// or image, or from a browser that loads pages in advance.
pub(crate) fn is_opened(headers: &HeaderMap) -> bool {
    let is = |name, expected| headers.get(name).is_none_or(|value| value == expected);
    let is_ahead = |purpose: &str| {
        let purpose = purpose.to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|ahead| purpose.contains(ahead))
    };
    is(FETCH_MODE, "navigate")
        && is(FETCH_DEST, "document")
        && !PURPOSES.iter().any(|name| text(headers, name).is_some_and(is_ahead))
}

/// Whether the body is a form (RFC 6749, section 3.2).
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().starts_with(FORM))
}

/// A header as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_only_to_the_registered_host() {
        let callback = Url::parse("http://127.0.0.1:8917/callback").unwrap();
        assert!(is_authority_of(&callback, "127.0.0.1:8917"));
        for other in ["localhost:8917", "evil.example:8917", "127.0.0.1", "127.0.0.1:80", ""] {
            assert!(!is_authority_of(&callback, other), "{other}");
        }
        let given = |hosts: &[&'static str]| {
            let hosts = hosts.iter().map(|host| (header::HOST, header::HeaderValue::from_static(host)));
            hosts.collect::<HeaderMap>()
        };
        assert!(is_addressed_to(&callback, &given(&["127.0.0.1:8917"])));
        assert!(!is_addressed_to(&callback, &given(&[])));
        assert!(!is_addressed_to(&callback, &given(&["127.0.0.1:8917", "evil.example"])));
        assert!(is_authority_of(&Url::parse("http://127.0.0.1:80/").unwrap(), "127.0.0.1"));
        assert!(is_authority_of(&Url::parse("http://localhost:8917/").unwrap(), "LOCALHOST:8917"));
        assert!(is_authority_of(&Url::parse("http://[::1]:8917/").unwrap(), "[::1]:8917"));
    }
}
