//! `/oauth2/authorize` (RFC 6749, section 4.1; RFC 7636; RFC 9207): the question whether a program may have an account's token,
//! and the user's answer.

use hyper::header::{self, HeaderMap};
use imgurd_proto::State;
use url::Url;

use super::Server;
use super::codes::Request;
use super::oauth_error::OauthError;
use super::page::{Page, Question};
use super::parameters::Parameters;
use super::reply::{self, Reply, described};
use super::token::is_verifier;
use crate::access::{Caller, gateway_title};

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

/// The client, and where its answer goes: only with both known may anything be sent there.
struct Addressee {
    request: Request,
    has_secret: bool,
}

impl Server {
    pub(super) async fn asked(&self, issuer: String, query: &str) -> Reply {
        let Ok(given) = Parameters::read(query.as_bytes(), &KNOWN) else {
            return Page::Refused(
                "The request has a parameter twice. Report this to the author of the program.",
            )
            .reply();
        };
        let mut addressee = match self.addressee(issuer, &given).await {
            Ok(addressee) => addressee,
            Err(page) => return page.reply(),
        };
        match check(&addressee, &given) {
            Ok(challenge) => {
                addressee.request.challenge = challenge;
                self.decide(addressee)
            }
            Err(error) => refuse(&addressee.request, &error),
        }
    }

    async fn addressee(&self, issuer: String, given: &Parameters) -> Result<Addressee, Page> {
        let unknown = || {
            Page::Refused(
                "The gateway has no client of this name. `imgurctl gateway list` shows them, and `imgurctl gateway add` makes one.",
            )
        };
        let name = given.get("client_id").ok_or_else(unknown)?;
        let client = self.configured(name).ok_or_else(unknown)?;
        let named = given.get("redirect_uri");
        let redirect_uri = match (named, client.redirect_uris.as_slice()) {
            (Some(uri), registered) => registered.iter().find(|known| *known == uri),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let redirect_uri = redirect_uri.cloned().ok_or(Page::Refused(
            "The program wants the answer sent to an address that is not registered for it. `imgurctl gateway list` shows those that \
             are, and `imgurctl gateway add NAME --redirect-uri URI` registers one, character for character.",
        ))?;
        let account =
            self.resolve(client.account.as_deref()).map_err(|error| Page::Failed(error.to_string()))?;
        let has_secret =
            self.clients.has_secret(name).await.map_err(|error| Page::Failed(error.to_string()))?;
        let request = Request {
            client: name.to_owned(),
            account,
            issuer,
            redirect_uri,
            names_redirect_uri: named.is_some(),
            state: given.get("state").map(ToOwned::to_owned),
            challenge: None,
        };
        Ok(Addressee { request, has_secret })
    }

    /// A program that was allowed before gets its code at once if it can prove later who it is.
    fn decide(&self, Addressee { request, has_secret }: Addressee) -> Reply {
        let caller = Caller::gateway_client(&request.client);
        let gate = self.api.gate();
        if gate.is_denied(&caller, &request.account) {
            let denied = "access was denied before; `imgurctl permit revoke` takes that back";
            return refuse(&request, &OauthError::new("access_denied", denied));
        }
        if has_secret && gate.may_see(&caller, &request.account) {
            return self.allow(&request);
        }
        let account = self.api.keeper().account(Some(&request.account)).ok();
        let question = Question {
            client: request.client.clone(),
            account: request.account.clone(),
            username: account.as_ref().and_then(|account| account.username.clone()),
            is_signed_in: account.is_some_and(|account| account.state != State::Empty),
            goes_to: place_of(&request.redirect_uri),
            id: self.codes.ask(request),
        };
        Page::Question(question).reply()
    }

    /// The user's answer. Its id was in the page alone.
    pub(super) async fn answered(&self, headers: &HeaderMap, body: &[u8]) -> Reply {
        let is_from = |request: &Request| {
            headers.get(header::ORIGIN).is_none_or(|origin| origin.as_bytes() == request.issuer.as_bytes())
        };
        let given = Parameters::read(body, &["id", "decision"]).ok();
        let request = given.as_ref().and_then(|given| self.codes.answered(given.get("id")?)).filter(is_from);
        let (Some(given), Some(request)) = (given, request) else {
            return Page::Refused(
                "This question was answered before, or has expired. Go back to the program, and start again.",
            )
            .reply();
        };
        if given.get("decision") != Some("allow") {
            return refuse(&request, &OauthError::new("access_denied", "the user denied access"));
        }
        let (caller, title) = (Caller::gateway_client(&request.client), gateway_title(&request.client));
        let gate = self.api.gate();
        // Another decision for the same would void what the client has.
        if !gate.may_see(&caller, &request.account)
            && let Err(error) = gate.permits().set(title, request.account.clone(), true).await
        {
            return Page::Failed(error.to_string()).reply();
        }
        self.allow(&request)
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
        return Page::Refused("The registered redirect URI is no URL.").reply();
    };
    to.query_pairs_mut().extend_pairs(answer);
    if let Some(state) = &request.state {
        to.query_pairs_mut().append_pair("state", state);
    }
    to.query_pairs_mut().append_pair("iss", &request.issuer);
    reply::redirect(to.as_str())
}

/// Checks what is answered at the callback if it is wrong, and returns the challenge of PKCE.
fn check(addressee: &Addressee, given: &Parameters) -> Result<Option<String>, OauthError> {
    match given.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(OauthError::new("unsupported_response_type", "response_type is code here")),
        None => return Err(OauthError::request("response_type is missing")),
    }
    if given.get("request").is_some() {
        return Err(OauthError::new("request_not_supported", "send the parameters themselves"));
    }
    if given.get("request_uri").is_some() {
        return Err(OauthError::new("request_uri_not_supported", "send the parameters themselves"));
    }
    if given.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OauthError::request("response_mode is query here"));
    }
    match (given.get("code_challenge"), given.get("code_challenge_method")) {
        (None, None) if addressee.has_secret => Ok(None),
        (None, None) => {
            Err(OauthError::request("a client without a secret has to use PKCE (RFC 7636) with S256"))
        }
        (Some(challenge), Some("S256")) if is_verifier(challenge) => Ok(Some(challenge.to_owned())),
        (Some(_), Some("S256")) => {
            Err(OauthError::request("code_challenge has a form that RFC 7636 does not allow"))
        }
        _ => Err(OauthError::request("code_challenge_method has to be S256, with a code_challenge")),
    }
}

/// Where an answer goes, for people.
fn place_of(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}
