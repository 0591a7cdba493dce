//! The gateway's connections and requests.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::time::timeout;
use url::Url;

use super::metadata::{AUTHORIZE, METADATA, REVOKE, TOKEN, metadata};
use super::oauth_error::OauthError;
use super::reply::{self, Reply};
use super::server::Server;
use crate::loopback::Ends;
use crate::loopback::headers::{FETCH_SITE, is_addressed_to, is_authority_of, is_form, is_opened};
use crate::loopback::http::{LONGEST_FORM, PATIENCE, serve};
use crate::loopback::visitors::{Asked, Visitors};

/// Connections at a time; each of them waits for its own account at most, and one without a request gives way.
const PLACES: usize = 256;

/// Serves until the task is aborted; its connections end with it.
pub(super) async fn listen(sockets: [TcpListener; 1], server: Arc<Server>) {
    let mut visitors = Visitors::new(PLACES);
    loop {
        let server = Arc::clone(&server);
        let visit = |stream, asked| async move {
            let ends = Ends::of(&stream);
            serve(stream, |request| server.respond(request, ends, &asked)).await;
        };
        visitors.receive(&sockets, visit).await;
    }
}

impl Server {
    async fn respond(&self, request: Request<Incoming>, ends: Option<Ends>, asked: &Asked) -> Reply {
        // Another name that leads here is DNS rebinding: a website, and no program of the user's.
        let Some(issuer) = self.issuer(&request) else {
            return reply::nothing(StatusCode::MISDIRECTED_REQUEST, &[]);
        };
        match (request.uri().path(), request.method()) {
            (METADATA, &Method::GET | &Method::HEAD) => reply::json(&metadata(&issuer)),
            (AUTHORIZE, &Method::GET) => {
                asked.set();
                self.opened(issuer, &request, ends).await
            }
            (AUTHORIZE, &Method::POST) => match body_of(request, asked).await {
                Ok((headers, body)) => self.answered(&headers, &body, ends).await,
                Err(error) => reply::error(&error),
            },
            (TOKEN | REVOKE, &Method::POST) => self.called(request, asked).await,
            (METADATA, _) => not_allowed("GET, HEAD"),
            (AUTHORIZE, _) => not_allowed("GET, POST"),
            (TOKEN | REVOKE, _) => not_allowed("POST"),
            _ => reply::nothing(StatusCode::NOT_FOUND, &[]),
        }
    }

    async fn opened(&self, issuer: String, request: &Request<Incoming>, ends: Option<Ends>) -> Reply {
        let query = request.uri().query().unwrap_or_default();
        // Nobody sees what a website loads as an image, and it would push out the questions that the user sees.
        if !is_opened(request.headers()) {
            return reply::nothing(StatusCode::FORBIDDEN, &[]);
        }
        if query.len() > LONGEST_FORM {
            return reply::nothing(StatusCode::URI_TOO_LONG, &[]);
        }
        self.asked(issuer, query, ends).await
    }

    async fn called(&self, request: Request<Incoming>, asked: &Asked) -> Reply {
        let is_token = request.uri().path() == TOKEN;
        let answer = match body_of(request, asked).await {
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

    /// What the gateway calls itself (RFC 8414, section 2): its address, or `localhost` for a client that has that name for it.
    fn issuer(&self, request: &Request<Incoming>) -> Option<String> {
        let names = [self.address.to_string(), format!("localhost:{}", self.address.port())];
        let urls = names.iter().filter_map(|name| Url::parse(&format!("http://{name}")).ok());
        urls.into_iter()
            .find(|url| is_addressed_to(url, request.headers()) && is_target_of(url, request.uri()))
            .map(|url| url.origin().ascii_serialization())
    }
}

/// Whether a target in absolute form, which takes precedence over `Host` (RFC 9112, section 3.2.2), is at this URL.
fn is_target_of(url: &Url, target: &Uri) -> bool {
    target.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP)
        && target.authority().is_none_or(|authority| is_authority_of(url, authority.as_str()))
}

fn is_of_a_website(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site" || site == "same-site")
}

fn not_allowed(method: &str) -> Reply {
    reply::nothing(StatusCode::METHOD_NOT_ALLOWED, &[(header::ALLOW, method)])
}

/// The headers and the form of a request (RFC 6749, section 3.2).
async fn body_of(request: Request<Incoming>, asked: &Asked) -> Result<(HeaderMap, Bytes), OauthError> {
    let (parts, body) = request.into_parts();
    if !is_form(&parts.headers) {
        return Err(OauthError::request("the body must be a form (application/x-www-form-urlencoded)"));
    }
    let body = timeout(PATIENCE, Limited::new(body, LONGEST_FORM).collect()).await;
    asked.set();
    match body {
        Ok(Ok(body)) => Ok((parts.headers, body.to_bytes())),
        Ok(Err(_)) => Err(OauthError::request("the body is too long or incomplete")),
        Err(_) => Err(OauthError::request("the body did not arrive in time")),
    }
}
