//! Which URLs imgurd may send requests to.

use url::Url;

/// Whether only this machine and the server can read what is sent there (RFC 6749, section 3.2).
#[must_use]
pub fn is_protected(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether the URL's host can only be this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(imgurd_proto::is_loopback)
}
