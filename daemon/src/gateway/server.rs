//! The gateway's connections and requests.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use imgurd_proto::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Server;
use super::metadata::{AUTHORIZE, METADATA, REVOKE, TOKEN, metadata};
use super::oauth_error::OauthError;
use super::reply::{self, Reply};
use crate::loopback;

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Browsers send all cookies of this host, whatever port has set them (RFC 6265, section 8.5).
const LONGEST_HEAD: usize = 768 * 1024;
const LONGEST_BODY: usize = 16 * 1024;
/// Connections at a time; each of them waits for its own account at most.
const PLACES: usize = 256;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Serves until the task is aborted; its connections end with it.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let places = Arc::new(Semaphore::new(PLACES));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = accept(&listener).await;
        while connections.try_join_next().is_some() {}
        let server = Arc::clone(&server);
        connections.spawn(async move {
            let _place = place;
            server.connection(stream).await;
        });
    }
}

/// The next connection of our own user: everybody on this machine can connect.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if loopback::is_own(&stream) => return stream,
            Ok(_) => tracing::debug!("closed another user's connection to the gateway"),
            Err(error) => {
                tracing::warn!(%error, "the gateway's listener");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

impl Server {
    async fn connection(&self, stream: TcpStream) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.respond(request).await));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(LONGEST_HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = served.await {
            tracing::debug!(%error, "a connection to the gateway");
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Reply {
        // Another name that leads here is DNS rebinding: a website, and no program of the user's.
        if !self.is_addressed(request.headers()) {
            return reply::nothing(StatusCode::MISDIRECTED_REQUEST, &[]);
        }
        let is_post = request.method() == Method::POST;
        match (request.uri().path(), is_post || request.method() == Method::GET) {
            (METADATA, true) if !is_post => reply::json(&metadata(&self.issuer())),
            (AUTHORIZE, true) if !is_post => self.asked(request.uri().query().unwrap_or_default()).await,
            (AUTHORIZE, true) => match body_of(request).await {
                Ok((headers, body)) => self.answered(&headers, &body).await,
                Err(error) => reply::error(&error),
            },
            (TOKEN | REVOKE, true) if is_post => self.called(request).await,
            (METADATA | AUTHORIZE, _) => not_allowed("GET"),
            (TOKEN | REVOKE, _) => not_allowed("POST"),
            _ => reply::nothing(StatusCode::NOT_FOUND, &[]),
        }
    }

    async fn called(&self, request: Request<Incoming>) -> Reply {
        let is_token = request.uri().path() == TOKEN;
        let answer = match body_of(request).await {
            // A page of a website can send a form, and has no business here.
            Ok((headers, _)) if is_of_a_website(&headers) => {
                Err(OauthError::request("web pages must not use this; call it from a program"))
            }
            Ok((headers, body)) if is_token => self.token(&headers, &body).await,
            Ok((headers, body)) => self.revoke(&headers, &body).await,
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| reply::error(&error))
    }

    fn is_addressed(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        host == self.address.to_string()
            || host.eq_ignore_ascii_case(&format!("localhost:{}", self.address.port()))
    }

    pub(super) fn resolve(&self, account: Option<&str>) -> Result<String, Error> {
        self.api.keeper().resolve(account)
    }
}

/// The time, in Unix seconds.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The keeper's error as OAuth has it.
pub(super) fn failed(error: Error) -> OauthError {
    OauthError::of(error, now())
}

fn is_of_a_website(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site" || site == "same-site")
}

fn not_allowed(method: &str) -> Reply {
    reply::nothing(StatusCode::METHOD_NOT_ALLOWED, &[(header::ALLOW, method)])
}

/// The headers and the form of a request (RFC 6749, section 3.2).
async fn body_of(request: Request<Incoming>) -> Result<(HeaderMap, Bytes), OauthError> {
    let (parts, body) = request.into_parts();
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(OauthError::request("the body must be a form (application/x-www-form-urlencoded)"));
    }
    let body = timeout(PATIENCE, Limited::new(body, LONGEST_BODY).collect()).await;
    match body {
        Ok(Ok(body)) => Ok((parts.headers, body.to_bytes())),
        Ok(Err(_)) => Err(OauthError::request("the body is too long or incomplete")),
        Err(_) => Err(OauthError::request("the body did not arrive in time")),
    }
}
