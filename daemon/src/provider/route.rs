//! The route to a server, direct or through the proxy that the environment names, and the reasons why it may fail.
//!
//! imgurd never uses a proxy for a server on this machine, because the proxy would see the refresh token in clear text. With TLS, a
//! proxy sees only `CONNECT`.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use hyper::http::uri::Authority;
use hyper::service::Service;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use imgurd_proto::text::printable;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::is_loopback;

/// A connection to the server itself, before TLS with it.
type Way = TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>;
type BoxError = Box<dyn Error + Send + Sync>;

pub(super) struct Route {
    pub(super) host: String,
    proxy: Option<Intercept>,
}

impl Route {
    /// Reads `HTTPS_PROXY`, `NO_PROXY` and similar variables like curl does. imgurd never uses a proxy for a server
    /// on this machine: the proxy's loopback interface is another one, and with plain HTTP the proxy could read the
    /// tokens.
    pub(super) fn to(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default().to_owned();
        let uri = url.as_str().parse().ok().filter(|_| !is_loopback(url));
        let proxy = uri.and_then(|uri: Uri| Matcher::from_system().intercept(&uri));
        Self { host, proxy }
    }

    /// Connects to the server, or through the proxy; `tls` is for a proxy that uses TLS. The error says why there is
    /// no connection within `patience`, as the beginning of a sentence.
    pub(super) async fn open(
        &self,
        to: Uri,
        tls: &Arc<ClientConfig>,
        patience: Duration,
    ) -> Result<Way, String> {
        match timeout(patience, self.connect(to, tls, patience)).await {
            Ok(Ok(way)) => Ok(TokioIo::new(way)),
            Ok(Err(error)) => Err(self.obstacle(&*error, patience)),
            Err(_) => Err(self.too_slow(patience)),
        }
    }

    async fn connect(
        &self,
        to: Uri,
        tls: &Arc<ClientConfig>,
        patience: Duration,
    ) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, BoxError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(patience)); // shared among the addresses of the host
        let Some(proxy) = &self.proxy else {
            return Ok(TowerToHyperService::new(tcp).call(to).await?.into());
        };
        let agent = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(super::USER_AGENT))]);
        let proxied = HttpsConnector::from((tcp, Arc::clone(tls)));
        let mut tunnel = Tunnel::new(proxy.uri().clone(), proxied).with_headers(agent);
        if let Some(password) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(password.clone());
        }
        Ok(TowerToHyperService::new(tunnel).call(to).await?)
    }

    fn obstacle(&self, error: &(dyn Error + 'static), patience: Duration) -> String {
        let proxy = self.proxy.as_ref().map(|proxy| place(proxy.uri()));
        let next = proxy.as_ref().map_or_else(|| self.host.clone(), |proxy| format!("the proxy {proxy}"));
        if let Some(trouble) = cause(error) {
            return insecure(&next, trouble);
        }
        let kind = cause(error).map(io::Error::kind);
        if kind == Some(ErrorKind::TimedOut) {
            return self.too_slow(patience);
        }
        match proxy {
            Some(proxy) if says(error, "proxy authorization required") => {
                format!(
                    "the proxy {proxy} requires a user name and a password, which HTTPS_PROXY must contain (write an \
                     @ in them as %40)"
                )
            }
            Some(proxy) if kind.is_none() && !is_dns(error) => {
                format!("the proxy {proxy} blocked the connection to {}", self.host)
            }
            _ => unreachable_because(&next, error),
        }
    }

    fn too_slow(&self, patience: Duration) -> String {
        let proxy = self.proxy.as_ref().map(|proxy| place(proxy.uri()));
        let through = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        let (host, within) = (&self.host, patience.as_secs());
        format!("no connection to {host}{through} within {within} s: the network may be down")
    }

    /// Why there is no TLS with the server itself, as the beginning of a sentence.
    pub(super) fn insecurity(&self, error: &reqwest::Error, patience: Duration) -> String {
        match cause(error) {
            Some(trouble) => insecure(&self.host, trouble),
            None if error.is_timeout() => self.too_slow(patience),
            None => unreachable_because(&self.host, error),
        }
    }
}

fn insecure(next: &str, trouble: &rustls::Error) -> String {
    match trouble {
        rustls::Error::InvalidCertificate(trouble) => {
            format!("the certificate of {next} {}", objection(trouble))
        }
        _ => format!("no secure connection to {next}"),
    }
}

/// A proxy's host and port. The part before them may be a password that contains an `@`.
fn place(proxy: &Uri) -> String {
    let authority = proxy.authority().map(Authority::as_str).unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    printable(place)
}

fn unreachable_because(next: &str, error: &(dyn Error + 'static)) -> String {
    if is_dns(error) {
        return format!("the address of {next} was not found: the network may be down");
    }
    let why = match cause(error).map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => ": no program listens there",
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown) => {
            ": the network is down"
        }
        Some(ErrorKind::PermissionDenied) => ": a firewall on this machine blocks it",
        _ => "",
    };
    format!("no connection to {next}{why}")
}

/// The problem with a certificate, and its most likely cause.
fn objection(trouble: &CertificateError) -> &'static str {
    use CertificateError as E;
    match trouble {
        E::Expired | E::ExpiredContext { .. } => "has expired: check the clock",
        E::NotValidYet | E::NotValidYetContext { .. } => "is not valid yet: check the clock",
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "belongs to another server: the network may require you to sign in"
        }
        E::UnknownIssuer => {
            "has no issuer that this system trusts: the network may require you to sign in, or may intercept \
             connections"
        }
        _ => "is not valid: check the clock, and whether the network requires you to sign in",
    }
}

/// Whether the HTTP library found an answer longer than its own limits: a head, chunk extensions, or trailers.
pub(super) fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    cause(error).is_some_and(hyper::Error::is_parse_too_large)
        || says(error, "over limit")
        || says(error, "count overflow")
}

fn is_dns(error: &(dyn Error + 'static)) -> bool {
    says(error, "dns error")
}

/// Recognises an error of hyper-util by its text, because its types are private.
fn says(error: &(dyn Error + 'static), words: &str) -> bool {
    causes(error).any(|error| error.to_string().ends_with(words))
}

fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes. An `io::Error` does not show the error that it wraps in `source`.
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
    fn names_a_proxy_without_its_password() {
        for userinfo in ["", "u:fake@", "u:fa@ke@", "u:@f@a@k@e@", "fake@"] {
            let matcher = Matcher::builder().https(format!("http://{userinfo}proxy.test:3128")).build();
            let uri = Uri::from_static("https://api.example/");
            let proxy = matcher.intercept(&uri).expect("a proxy");
            assert_eq!(place(proxy.uri()), "proxy.test:3128", "{userinfo}");
        }
    }
}
