//! The way to a server, straight or through the proxy that the environment names, and what may be in the way.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Authority;
use hyper_util::client::proxy::matcher::Matcher;
use imgurd_proto::text::printable;
use rustls::CertificateError;
use url::Url;

use super::http::is_loopback;

/// How a server is reached.
pub(super) struct Route {
    pub(super) host: String,
    proxy: Option<Uri>,
}

impl Route {
    /// Reads `HTTPS_PROXY`, `NO_PROXY` and their kin as curl does. What is on this machine is never looked for behind a
    /// proxy: its own loopback interface is another one, and in plain HTTP it would read along.
    pub(super) fn to(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().to_owned();
        let uri = url.as_str().parse().ok().filter(|_| !is_loopback(url));
        let proxy = uri.and_then(|uri: Uri| Matcher::from_system().intercept(&uri));
        Self { host, proxy: proxy.map(|proxy| proxy.uri().clone()) }
    }

    /// Whether no proxy stands in between.
    pub(super) fn is_straight(&self) -> bool {
        self.proxy.is_none()
    }

    /// Why there is no connection after `patience` at most, as the beginning of a sentence.
    pub(super) fn obstacle(&self, error: &reqwest::Error, patience: Duration) -> String {
        let host = &self.host;
        match cause(error) {
            Some(rustls::Error::InvalidCertificate(trouble)) => {
                return format!("the certificate of {host} {}", objection(trouble));
            }
            Some(_) => return format!("no secure connection to {host}"),
            None => {}
        }
        let proxy = self.proxy.as_ref().map(place);
        if error.is_timeout() {
            let through = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
            let within = patience.as_secs();
            return format!("no connection to {host}{through} within {within} s: the network may be down");
        }
        match proxy {
            None => unreachable_because(host, error),
            Some(proxy) if wants_a_password(error) => {
                format!("the proxy {proxy} wants a user name and a password, which HTTPS_PROXY has to name")
            }
            Some(proxy) if error.is_dns() || cause::<io::Error>(error).is_some() => {
                unreachable_because(&format!("the proxy {proxy}"), error)
            }
            Some(proxy) => format!("the proxy {proxy} did not let the connection to {host} through"),
        }
    }
}

/// A proxy's host and port. What is before them may hold a password with an `@` in it.
fn place(proxy: &Uri) -> String {
    let authority = proxy.authority().map(Authority::as_str).unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    printable(place)
}

/// Why the first host on the way is not reached.
fn unreachable_because(next: &str, error: &reqwest::Error) -> String {
    if error.is_dns() {
        return format!("the address of {next} was not found: the network may be down");
    }
    let why = match cause(error).map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => ": nothing answers there",
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown) => {
            ": the network is down"
        }
        Some(ErrorKind::PermissionDenied) => ": a firewall on this machine does not let it out",
        _ => "",
    };
    format!("no connection to {next}{why}")
}

/// What TLS has against a certificate, and what that may mean here.
fn objection(trouble: &CertificateError) -> &'static str {
    use CertificateError as E;
    match trouble {
        E::Expired | E::ExpiredContext { .. } => "has expired: check the clock",
        E::NotValidYet | E::NotValidYetContext { .. } => "is not valid yet: check the clock",
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "is another server's: the network may want you to sign in"
        }
        E::UnknownIssuer => {
            "is signed by nobody whom this system trusts: the network may want you to sign in, or read along"
        }
        _ => "was not accepted: check the clock, and whether the network wants you to sign in",
    }
}

/// hyper-util keeps the type of that error to itself, but not its words.
fn wants_a_password(error: &reqwest::Error) -> bool {
    causes(error).any(|error| error.to_string().ends_with("proxy authorization required"))
}

/// The first error of this type among the causes.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error and what led to it. An `io::Error` hides what it wraps from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password() {
        for userinfo in ["", "u:fake@", "u:fa@ke@", "u:@f@a@k@e@", "fake@"] {
            let matcher = Matcher::builder().https(format!("http://{userinfo}proxy.test:3128")).build();
            let uri = Uri::from_static("https://api.example/");
            let proxy = matcher.intercept(&uri).expect("a proxy");
            assert_eq!(place(proxy.uri()), "proxy.test:3128", "{userinfo}");
        }
    }
}
