//! Sends one request to one host, once, with limits on time and size, and names the reason of every failure.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use hyper::{HeaderMap, Uri};
use imgurd_proto::text::cause;
use oauth2::{HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::spawn_blocking;
use url::Url;

use super::bounded_stream::BoundedStream;
use super::content_coding::{self, ACCEPTED};
use super::form_request::unsendable;
use super::route::{self, Route};
use super::{Answer, Delivery, USER_AGENT, authorities};

/// The length of the longest body, in bytes: more than any token response, and little enough for memory.
const BODY_MAX: usize = 1024 * 1024;
/// The total that a server may send, in bytes: a body, and as much again around it.
const CONNECTION_MAX: u64 = 2 * 1024 * 1024;

/// How long the steps of a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Until the connection is open.
    pub(super) connect: Duration,
    /// Until the answer is complete.
    pub(super) total: Duration,
}

impl Timeouts {
    pub(super) const fn from_secs(connect: u64, total: u64) -> Self {
        Self { connect: Duration::from_secs(connect), total: Duration::from_secs(total) }
    }
}

pub(super) struct Transport {
    tls: Arc<ClientConfig>,
    route: Route,
    timeouts: Timeouts,
}

impl Transport {
    /// Reads the system's certificates in a thread for blocking work. They are freed after the request, so an idle
    /// daemon keeps none in memory, and notices new certificates and a changed proxy.
    async fn new(url: &Url, ca_file: Option<PathBuf>, timeouts: Timeouts) -> Result<Self, Answer> {
        let route = Route::to(url);
        let tls = spawn_blocking(move || trust(ca_file.as_deref())).await;
        let tls = tls.map_err(|_| no_security())?.map_err(|answer| *answer)?;
        Ok(Self { tls: Arc::new(tls), route, timeouts })
    }

    /// Sends one request, with all preparations.
    pub(super) async fn get(
        url: &Url,
        ca_file: Option<PathBuf>,
        timeouts: Timeouts,
        request: HttpRequest,
    ) -> Result<HttpResponse, Answer> {
        Self::new(url, ca_file, timeouts).await?.fetch(request).await
    }

    /// Sends the request; the error says why there is no complete answer.
    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, Answer> {
        let to = request.uri().clone();
        let request = reqwest::Request::try_from(request).map_err(|_| unsendable())?;
        let began = Instant::now();
        let stream = self.connect(to).await.map_err(|reason| Answer::transient(reason, Delivery::NotSent))?;
        let client = self.client(&stream, began).ok_or_else(no_security)?;
        match client.execute(request).await {
            Ok(response) => self.receive(response, &stream).await,
            Err(error) if error.is_builder() => Err(unsendable()),
            Err(error) if error.is_connect() => Err(Answer::transient(
                self.route.insecurity(&error, self.timeouts.connect),
                Delivery::NotSent,
            )),
            Err(error) => Err(self.broke(&error, &stream)),
        }
    }

    async fn connect(&self, to: Uri) -> Result<BoundedStream, String> {
        let server = self.route.open(to, &self.tls, self.timeouts.connect).await?;
        BoundedStream::to(server, CONNECTION_MAX)
            .map_err(|error| format!("no connection to {} ({error})", self.route.host, error = cause(&error)))
    }

    /// An HTTP client for one request over `stream`, within the remaining time.
    fn client(&self, stream: &BoundedStream, began: Instant) -> Option<reqwest::Client> {
        let passed = began.elapsed();
        reqwest::Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .unix_socket(stream.name.as_str())
            .user_agent(USER_AGENT)
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED))]))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout(self.timeouts.connect.saturating_sub(passed))
            .timeout(self.timeouts.total.saturating_sub(passed))
            .build()
            .ok()
    }

    async fn receive(
        &self,
        mut response: reqwest::Response,
        stream: &BoundedStream,
    ) -> Result<HttpResponse, Answer> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broke(&error, stream))? {
            if body.len() + chunk.len() > BODY_MAX {
                if response.status().is_success() {
                    return Err(self.too_long());
                }
                body.clear(); // the body of a long error page is not needed
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let body = content_coding::decoded(response.headers(), body, BODY_MAX).map_err(|_| {
            let reason = format!("imgurd cannot decompress the answer of {}", self.route.host);
            Answer::transient(reason, Delivery::InDoubt)
        })?;
        if body.len() > BODY_MAX {
            return Err(self.too_long());
        }
        let mut whole = HttpResponse::new(body);
        *whole.status_mut() = response.status();
        *whole.headers_mut() = std::mem::take(response.headers_mut());
        Ok(whole)
    }

    fn broke(&self, error: &reqwest::Error, stream: &BoundedStream) -> Answer {
        if stream.is_overrun() || route::is_too_long(error) {
            return self.too_long();
        }
        let host = &self.route.host;
        let reason = if error.is_timeout() {
            format!("no complete answer from {host} within {} s", self.timeouts.total.as_secs())
        } else {
            format!("the connection to {host} broke before the answer was complete")
        };
        Answer::transient(reason, Delivery::InDoubt)
    }

    fn too_long(&self) -> Answer {
        Answer::transient(format!("the answer of {} is too long", self.route.host), Delivery::InDoubt)
    }
}

fn trust(ca_file: Option<&Path>) -> Result<ClientConfig, Box<Answer>> {
    let named = ca_file.map(authorities::read).transpose();
    let named = named.map_err(|reason| Box::new(Answer::Misconfigured { setting: "ca_file", reason }))?;
    let mut trusted = authorities::of_the_system();
    trusted.extend(named.into_iter().flat_map(|named| named.roots));
    tls(trusted).ok_or_else(|| Box::new(no_security()))
}

/// TLS for one connection, without resumption.
fn tls(trusted: RootCertStore) -> Option<ClientConfig> {
    if trusted.is_empty() {
        return None;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let mut tls = builder.with_root_certificates(trusted).with_no_client_auth();
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(tls)
}

fn no_security() -> Answer {
    let reason = "imgurd cannot make secure connections: the system's certificates are missing or unreadable";
    Answer::transient(reason, Delivery::NotSent)
}
