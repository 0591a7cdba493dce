//! `/oauth2/authorize` (RFC 6749, section 4.1; RFC 7636; RFC 9207): asks the user whether a program may have an account's token,
//! and takes the answer.

use hyper::header::{self, HeaderMap};
use imgurd_proto::{Error, State};
use url::Url;

use super::codes::Request;
use super::oauth_error::OauthError;
use super::page::{Page, Question};
use super::parameters::Parameters;
use super::reply::{self, Reply, described};
use super::server::Server;
use super::token::is_verifier;
use crate::access::{Caller, gateway_title, may_be_sandboxed};
use crate::config::GatewayClient;
use crate::loopback::Ends;
use crate::loopback::headers::FETCH_SITE;

const KNOWN: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "state",
];

/// The client, and where to send its answer. Nothing may be sent there before both are known.
struct Addressee {
    request: Request,
    has_secret: bool,
}

impl Server {
    pub(super) async fn asked(&self, issuer: String, query: &str, ends: Option<Ends>) -> Reply {
        let given = match Parameters::read(query.as_bytes(), &KNOWN) {
            Ok(given) => given,
            Err(OauthError { description, .. }) => {
                let reason = format!(
                    "The request is not valid: {description}. Report this to the author of the program."
                );
                return Page::refused(reason).reply();
            }
        };
        let mut addressee = match self.addressee(issuer, &given) {
            Ok(addressee) => addressee,
            Err(page) => return page.reply(),
        };
        match check(&addressee, &given) {
            Ok(challenge) => {
                addressee.request.challenge = challenge;
                self.decide(addressee, ends).await
            }
            Err(error) => refuse(&addressee.request, &error),
        }
    }

    fn addressee(&self, issuer: String, given: &Parameters) -> Result<Addressee, Page> {
        let name = given.get("client_id").ok_or_else(|| {
            Page::refused("The request has no client_id. Enter the client ID in the program's settings.")
        })?;
        let client = self.configured(name).ok_or_else(|| {
            Page::refused(
                "There is no gateway client with this name. Run `imgurctl gateway list` to see the clients, or `imgurctl gateway \
                 add` to add one.",
            )
        })?;
        let named = given.get("redirect_uri");
        let redirect_uri = match (named, client.redirect_uris.as_slice()) {
            (Some(uri), _) if client.accepts(uri) => uri.to_owned(),
            (Some(_), _) => return Err(Page::refused(NOT_REGISTERED)),
            (None, [only]) => only.clone(),
            (None, _) => return Err(Page::refused(NO_REDIRECT_URI)),
        };
        let account = self.account_of(&client).map_err(|error| Page::Failed(error.to_string()))?;
        let has_secret = !client.public;
        let request = Request {
            client: name.to_owned(),
            account,
            issuer,
            redirect_uri,
            names_redirect_uri: named.is_some(),
            state: given.get("state").map(ToOwned::to_owned),
            challenge: None,
            changes: self.api.clients.changes(),
        };
        Ok(Addressee { request, has_secret })
    }

    /// A program that the user allowed before gets its code immediately, if it can prove its identity later.
    async fn decide(&self, Addressee { request, has_secret }: Addressee, ends: Option<Ends>) -> Reply {
        let caller = Caller::gateway_client(&request.client);
        let gate = &self.api.gate;
        if let Err(error) = gate.check_permits(&caller, &request.account) {
            return Page::Failed(error.to_string()).reply();
        }
        if gate.is_denied(&caller, &request.account) {
            return refuse(&request, &OauthError::new("access_denied", DENIED));
        }
        let account = self.api.keeper.account(Some(&request.account)).ok();
        let is_signed_in = account.as_ref().is_some_and(|account| account.state != State::Empty);
        if has_secret && is_signed_in && gate.may_see(&caller, &request.account) {
            return self.allow(&request);
        }
        // It must not read the account's name, nor push out questions that the user sees.
        if self.is_sandboxed(ends).await {
            return Page::refused(SANDBOXED).reply();
        }
        let question = Question {
            client: request.client.clone(),
            account: request.account.clone(),
            username: account.and_then(|account| account.username),
            is_signed_in,
            goes_to: place_of(&request.redirect_uri),
            id: self.codes.ask(request),
        };
        Page::Question(Box::new(question)).reply()
    }

    /// The user's answer. Its id was in the page alone.
    pub(super) async fn answered(&self, headers: &HeaderMap, body: &[u8], ends: Option<Ends>) -> Reply {
        let given = Parameters::read(body, &["id", "decision"]).ok();
        let id = given.as_ref().and_then(|given| given.get("id")).unwrap_or_default();
        let is_valid =
            |request: &Request| is_of_the_page(headers, &request.issuer) && self.is_current(request);
        let found = self.codes.answered(id).filter(|(request, _)| is_valid(request));
        let Some((request, sent_to)) = found else {
            return Page::refused(
                "This question has expired, or the gateway's clients or permits have changed since. Go back to the program, and start \
                 again.",
            )
            .reply();
        };
        if let Some(sent_to) = sent_to {
            return reply::redirect(&sent_to);
        }
        let allows = given.as_ref().is_some_and(|given| given.get("decision") == Some("allow"));
        let reply = self.decided(&request, allows, ends).await;
        if let Some(sent_to) = reply.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()) {
            self.codes.note_answer(id, sent_to);
        }
        reply
    }

    async fn decided(&self, request: &Request, allows: bool, ends: Option<Ends>) -> Reply {
        if !allows {
            return refuse(request, &OauthError::new("access_denied", "the user denied access"));
        }
        let (gate, caller) = (&self.api.gate, Caller::gateway_client(&request.client));
        if let Err(error) = gate.check_permits(&caller, &request.account) {
            return Page::Failed(error.to_string()).reply();
        }
        if gate.is_denied(&caller, &request.account) {
            return refuse(request, &OauthError::new("access_denied", DENIED));
        }
        if self.is_sandboxed(ends).await {
            return Page::refused(SANDBOXED).reply();
        }
        match self.permit(request).await {
            Ok(()) => self.allow(request),
            Err(error) => Page::Failed(error.to_string()).reply(),
        }
    }

    /// Remembers that the client may have the token. Another decision for the same would void what the client has.
    async fn permit(&self, Request { client, account, .. }: &Request) -> Result<(), Error> {
        let gate = &self.api.gate;
        if gate.may_see(&Caller::gateway_client(client), account) {
            return Ok(());
        }
        gate.permits().set(gateway_title(client), account.clone(), true).await
    }

    /// Whether the client is still as it was when it asked. Another client could have its name by now.
    pub(super) fn is_current(&self, request: &Request) -> bool {
        let is_its = |client: &GatewayClient| {
            client.accepts(&request.redirect_uri) && self.is_for(client, &request.account)
        };
        request.changes == self.api.clients.changes()
            && self.configured(&request.client).as_ref().is_some_and(is_its)
    }

    /// Whether a sandboxed program may have made the connection. In doubt, true.
    async fn is_sandboxed(&self, ends: Option<Ends>) -> bool {
        let Some(ends) = ends else { return true };
        let _turn = self.examinations.acquire().await;
        tokio::task::spawn_blocking(move || may_be_sandboxed(ends)).await.unwrap_or(true)
    }

    fn allow(&self, request: &Request) -> Reply {
        let code = self.codes.issue(request.clone());
        send(request, &[("code", code.expose())])
    }
}

fn refuse(request: &Request, error: &OauthError) -> Reply {
    let description = described(&error.description);
    send(request, &[("error", error.code), ("error_description", &description)])
}

/// Sends the answer to the callback, with the gateway's name in it (RFC 9207).
fn send(request: &Request, answer: &[(&str, &str)]) -> Reply {
    let Ok(mut to) = Url::parse(&request.redirect_uri) else {
        return Page::refused("The registered redirect URI is not a URL.").reply();
    };
    to.query_pairs_mut().extend_pairs(answer);
    if let Some(state) = &request.state {
        to.query_pairs_mut().append_pair("state", state);
    }
    to.query_pairs_mut().append_pair("iss", &request.issuer);
    reply::redirect(to.as_str())
}

/// Checks the parameters whose errors are sent to the callback, and returns the PKCE challenge.
fn check(addressee: &Addressee, given: &Parameters) -> Result<Option<String>, OauthError> {
    match given.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(OauthError::new("unsupported_response_type", "response_type must be code")),
        None => return Err(OauthError::request("response_type is missing")),
    }
    if given.get("request").is_some() {
        return Err(OauthError::new(
            "request_not_supported",
            "request objects are not supported; send the parameters themselves",
        ));
    }
    if given.get("request_uri").is_some() {
        return Err(OauthError::new("request_uri_not_supported", "send the parameters themselves"));
    }
    if given.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OauthError::request("response_mode must be query"));
    }
    match (given.get("code_challenge"), given.get("code_challenge_method")) {
        (None, None) if addressee.has_secret => Ok(None),
        (None, None) => {
            Err(OauthError::request("a client without a secret must use PKCE (RFC 7636) with S256"))
        }
        (Some(challenge), Some("S256")) if is_verifier(challenge) => Ok(Some(challenge.to_owned())),
        (Some(_), Some("S256")) => Err(OauthError::request("code_challenge is not valid (RFC 7636)")),
        _ => Err(OauthError::request("code_challenge_method must be S256, with a code_challenge")),
    }
}

/// Whether the form of our own page sent it.
fn is_of_the_page(headers: &HeaderMap, issuer: &str) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| origin.as_bytes() == issuer.as_bytes())
        && headers.get(FETCH_SITE).is_none_or(|site| site == "same-origin")
}

const SANDBOXED: &str = "A sandboxed program may have opened this page, and only you can allow access. Start again in a browser that is \
                         not sandboxed. For a client with a secret, you can run `imgurctl permit allow gateway:NAME ACCOUNT` instead; \
                         `imgurctl gateway list` shows the names.";
const DENIED: &str =
    "the user denied this client access; `imgurctl permit list` and [access] in config.toml show where";
const NOT_REGISTERED: &str = "The program asked for its answer at an address that is not registered. Run `imgurctl gateway list` to see \
                              the registered ones, or `imgurctl gateway add NAME --redirect-uri URI` to register this one, character \
                              for character.";
const NO_REDIRECT_URI: &str = "The request has no redirect_uri, and the client does not have exactly one. `imgurctl gateway add NAME \
                               --redirect-uri URI` registers one.";

/// Where an answer goes, for people.
fn place_of(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}
