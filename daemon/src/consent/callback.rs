//! The requests to the callback, and the answers in them.

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Limited};
use hyper::Method;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use imgurd_proto::{Flow, Secret};
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::parse;

use super::authorization_response::{AuthorizationResponse, Content, NotAResponse, from_redirect};
use super::page::Page;
use crate::loopback::headers::{FETCH_SITE, is_addressed_to, is_form, is_opened, text};
use crate::loopback::http::{LONGEST_FORM, PATIENCE};
use crate::mutex::lock;
use crate::random;

pub(crate) struct Callback {
    account: String,
    url: Url,
    flow: Flow,
    state: Secret,
    nonce: Nonce,
}

/// The value that the page has to send together with the fragment. It changes after each use. Logins at the same port
/// share it, because imgurd does not know which login a fragment is for before the page has sent it.
pub(crate) type Nonce = Arc<Mutex<Option<Secret>>>;

/// A complete request to the callback.
pub(crate) struct Request {
    parts: Parts,
    /// Empty unless the body may contain an answer.
    body: Bytes,
}

impl Request {
    /// Reads a request; `None` if it takes too long or is too large.
    pub(super) async fn read(request: hyper::Request<Incoming>) -> Option<Self> {
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return Some(Self { parts, body: Bytes::new() });
        }
        let body = Limited::new(body, LONGEST_FORM).collect();
        let body = timeout(PATIENCE, body).await.ok()?.ok()?.to_bytes();
        Some(Self { parts, body })
    }

    /// The state of its answer, in the query or in the fragment that the page sent.
    pub(super) fn state(&self) -> Option<String> {
        let query = self.parts.uri.query().unwrap_or_default().as_bytes();
        let answer = if self.parts.method == Method::POST { &self.body[..] } else { query };
        parse(answer).find(|(name, _)| name == "state").map(|(_, state)| state.into_owned())
    }
}

impl Callback {
    pub(crate) fn new(account: &str, url: &Url, flow: Flow, state: &Secret) -> Self {
        let (account, url, state) = (account.to_owned(), url.clone(), state.clone());
        Self { account, url, flow, state, nonce: Nonce::default() }
    }

    /// Uses the nonce that all logins at the port share.
    pub(crate) fn sharing(self, nonce: &Nonce) -> Self {
        Self { nonce: nonce.clone(), ..self }
    }

    /// Whether an answer with this state belongs to this login.
    pub(super) fn expects(&self, state: &str) -> bool {
        self.state == Secret::from(state)
    }

    pub(super) fn reads_fragments(&self) -> bool {
        self.flow == Flow::Token
    }

    /// The answer in a request, or the page to show instead.
    pub(super) fn answer_in(&self, request: &Request) -> Result<AuthorizationResponse, Page> {
        self.check_address(request)?;
        let Parts { headers, uri, method, .. } = &request.parts;
        match *method {
            Method::GET if self.is_visited(headers) => self.redirected(uri.query()),
            // Refuse the OAuth 2.0 Form Post Response Mode, because other websites can make a browser send a form.
            Method::POST if self.flow != Flow::Token && is_form(headers) => Err(Page::Posted),
            Method::POST if self.flow == Flow::Token && self.is_from_here(headers) => {
                self.handed_on(&request.body)
            }
            _ => Err(Page::Refused),
        }
    }

    /// Checks that a request is addressed to this callback; else the page to show instead.
    pub(super) fn check_address(&self, request: &Request) -> Result<(), Page> {
        let Parts { headers, uri, .. } = &request.parts;
        // Another host name that resolves to this machine indicates DNS rebinding by a website's script.
        if !is_addressed_to(&self.url, headers) {
            return Err(Page::Refused);
        }
        if uri.path() == self.url.path() { Ok(()) } else { Err(Page::NotHere) }
    }

    /// Whether the user opened the address, by a link or a redirect.
    fn is_visited(&self, headers: &HeaderMap) -> bool {
        let is_ours = |origin: &str| origin == "null" || origin == self.origin();
        is_opened(headers)
            && headers.get(header::ORIGIN).is_none_or(|origin| origin.to_str().is_ok_and(is_ours))
    }

    /// Whether the script of our own page sent it.
    fn is_from_here(&self, headers: &HeaderMap) -> bool {
        text(headers, &header::ORIGIN).is_some_and(|origin| origin == self.origin())
            && headers.get(FETCH_SITE).is_none_or(|site| site == "same-origin")
    }

    fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// An answer in the query. A query contains no tokens: tokens in a fragment reach imgurd only through our own page.
    fn redirected(&self, query: Option<&str>) -> Result<AuthorizationResponse, Page> {
        match from_redirect(query, None, self.flow) {
            Ok(AuthorizationResponse { content: Content::Tokens(_), .. }) => Err(self.waiting()),
            Ok(answer) => Ok(answer),
            Err(NotAResponse::Nothing) if self.flow == Flow::Token => Err(self.waiting()),
            Err(reason) => Err(page_of(reason)),
        }
    }

    fn waiting(&self) -> Page {
        let mut nonce = lock(&self.nonce);
        // All pages share the nonce until it is used. So a page that a stranger requests does not invalidate the
        // user's.
        let nonce = nonce.get_or_insert_with(|| random::hex::<16>().into());
        Page::Waiting { account: self.account.clone(), nonce: nonce.clone() }
    }

    fn handed_on(&self, body: &[u8]) -> Result<AuthorizationResponse, Page> {
        let given = parse(body).find(|(name, _)| name == "nonce").map(|(_, nonce)| nonce.into_owned());
        let fragment = str::from_utf8(body).map_err(|_| Page::Refused)?;
        let answer = from_redirect(None, Some(fragment), self.flow).map_err(page_of)?;
        // Check the state first, so that a stranger who does not know it cannot use up the nonce. The login checks
        // whose answer it is.
        if answer.state.as_ref() != Some(&self.state) {
            return Ok(answer);
        }
        let given = Secret::from(given.ok_or(Page::Refused)?);
        let mut nonce = lock(&self.nonce);
        if nonce.as_ref() != Some(&given) {
            return Err(Page::Refused);
        }
        *nonce = None;
        Ok(answer)
    }
}

fn page_of(reason: NotAResponse) -> Page {
    match reason {
        NotAResponse::Nothing => Page::NotHere,
        NotAResponse::Doubled | NotAResponse::OtherFlow | NotAResponse::Unreadable => {
            tracing::warn!(?reason, "the callback received a request that is not an answer to the sign-in");
            Page::Refused
        }
    }
}

/// Whether the browser shows the answer itself. Otherwise the script of our page reads it.
pub(super) fn is_shown(headers: &HeaderMap) -> bool {
    text(headers, &header::ACCEPT).is_some_and(|kinds| kinds.contains("text/html"))
}
