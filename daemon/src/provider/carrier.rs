//! One request to one host: sent once, bounded in time and size, and every way in which it may fail named.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oauth2::{HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::spawn_blocking;
use url::Url;

use super::authorities;
use super::classify::{classify, server_time};
use super::http::{Timeouts, misconfigured};
use super::route::Route;
use super::{Answer, Delivery, Reply, Transient};

/// More than any token response has, less than would hurt.
const BODY_MAX: usize = 64 * 1024;

const USER_AGENT: &str = concat!("imgurd/", env!("CARGO_PKG_VERSION"));

/// A client for one request.
pub(super) struct Carrier {
    http: reqwest::Client,
    route: Route,
    timeouts: Timeouts,
    /// Whether the request is a refresh by a client whose settings have worked before.
    is_proven_refresh: bool,
}

impl Carrier {
    /// Builds a client, off the runtime, since that reads the system's certificates. It lives as long as its request: a
    /// daemon that refreshes once in a while keeps no certificates in memory, and sees new ones and a changed proxy.
    pub(super) async fn new(url: &Url, ca_file: Option<PathBuf>, timeouts: Timeouts) -> Result<Self, Answer> {
        let route = Route::to(url);
        let is_straight = route.is_straight();
        let built = spawn_blocking(move || build(timeouts, is_straight, ca_file.as_deref())).await;
        match built {
            Ok(Ok(http)) => Ok(Self { http, route, timeouts, is_proven_refresh: false }),
            Ok(Err(answer)) => Err(*answer),
            Err(_) => Err(no_security()),
        }
    }

    /// For a refresh, by a client whose settings have worked before or not.
    pub(super) fn for_proven_refresh(self, is_proven_refresh: bool) -> Self {
        Self { is_proven_refresh, ..self }
    }

    /// Sends a request to the token endpoint and says what its answer means.
    pub(super) async fn carry(&self, request: HttpRequest) -> Reply {
        match self.fetch(request).await {
            Ok(response) => Reply {
                answer: classify(
                    response.status(),
                    response.headers(),
                    response.body(),
                    self.is_proven_refresh,
                ),
                date: server_time(response.headers()),
            },
            Err(answer) => answer.into(),
        }
    }

    /// Sends the request; without a whole answer, says what came between.
    pub(super) async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, Answer> {
        let unsendable = || misconfigured("no request can be made out of the token URL");
        let request = reqwest::Request::try_from(request).map_err(|_| unsendable())?;
        match self.http.execute(request).await {
            Ok(response) => self.receive(response).await,
            Err(error) if error.is_builder() => Err(unsendable()),
            Err(error) if error.is_connect() => {
                Err(transient(self.route.obstacle(&error, self.timeouts.connect), Delivery::NotSent))
            }
            Err(error) => Err(self.broke(&error)),
        }
    }

    async fn receive(&self, mut response: reqwest::Response) -> Result<HttpResponse, Answer> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broke(&error))? {
            if body.len() + chunk.len() > BODY_MAX {
                if response.status().is_success() {
                    let reason = format!("the answer of {} was too long to be one", self.route.host);
                    return Err(transient(reason, Delivery::InDoubt));
                }
                body.clear(); // a long error page says no more than its status
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let mut whole = HttpResponse::new(body);
        *whole.status_mut() = response.status();
        *whole.headers_mut() = std::mem::take(response.headers_mut());
        Ok(whole)
    }

    fn broke(&self, error: &reqwest::Error) -> Answer {
        let host = &self.route.host;
        let reason = if error.is_timeout() {
            format!("no whole answer from {host} within {} s", self.timeouts.total.as_secs())
        } else {
            format!("the connection to {host} broke before the answer was whole")
        };
        transient(reason, Delivery::InDoubt)
    }
}

fn build(
    timeouts: Timeouts,
    is_straight: bool,
    ca_file: Option<&Path>,
) -> Result<reqwest::Client, Box<Answer>> {
    let named = ca_file.map(authorities::read).transpose();
    let named = named.map_err(|reason| Box::new(Answer::Misconfigured { setting: "ca_file", reason }))?;
    let mut trusted = authorities::of_the_system();
    trusted.extend(named.into_iter().flat_map(|named| named.roots));
    let builder = reqwest::Client::builder();
    let builder = if is_straight { builder.no_proxy() } else { builder };
    builder
        .tls_backend_preconfigured(tls(trusted).ok_or_else(|| Box::new(no_security()))?)
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .build()
        .map_err(|_| Box::new(no_security()))
}

/// TLS for one connection, which nobody will resume.
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
    let reason =
        "no secure connection can be set up here: the system's certificates are missing or unreadable";
    transient(reason.into(), Delivery::NotSent)
}

fn transient(reason: String, delivery: Delivery) -> Answer {
    Answer::Transient(Transient { reason, retry_after: None::<Duration>, delivery })
}
