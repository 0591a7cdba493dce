//! The task of a login. It waits for the answer and exchanges it for a grant.
//!
//! On the local socket a login ends when its caller closes the connection, so Ctrl-C needs no message. Simultaneous callers
//! share one login. On D-Bus a login continues, because a caller such as `busctl` exits after the first answer.

use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Account, Error, Flow, Secret};
use oauth2::RedirectUrl;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::authorization_response::{Content, from_paste};
use super::callback::Callback;
use super::device::Polls;
use super::ended_logins::EndedLogins;
use super::lingering::Lingering;
use super::listener::{Farewell, LastPages, Listener, Visit};
use super::login_result::{LoginResult, Submission, cancelled, expired};
use super::page::Page;
use super::server::Server;
use crate::grant::Fingerprints;
use crate::keeper::{Began, Keeper, SignedIn, another_sign_in};
use crate::provider::{Authorization, TokenRequest};

/// The pauses before imgurd sends the answer to a busy server again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

pub(super) struct Session {
    pub(super) keeper: Keeper,
    pub(super) account: String,
    /// The account at the start of the login, to which the answer belongs even if the configuration changes.
    pub(super) began: Began,
    pub(super) flow: Flow,
    pub(super) replace: bool,
    pub(super) redirect_uri: Option<RedirectUrl>,
    pub(super) authorization: Authorization,
    pub(super) server: Server,
    /// The polls, for the flow `device`.
    pub(super) polls: Option<Polls>,
    pub(super) ended: EndedLogins,
    pub(super) lingering: Lingering,
    /// What the user should know while the login waits.
    pub(super) hint: watch::Sender<Option<String>>,
}

/// How a login ended.
struct Ending {
    result: LoginResult,
    /// Set if an answer at the callback ended it.
    shown: Option<Shown>,
}

/// The page that was shown for the answer that ended a login.
struct Shown {
    /// The code or token of that answer. Only its fingerprint is kept, because it has been used.
    used: Fingerprints,
    page: Page,
}

impl Shown {
    fn is_for(&self, content: &Content) -> bool {
        content.credential().map_or(self.used.is_empty(), |credential| self.used.contains(credential))
    }
}

/// The listener at the callback, if there is one.
struct Serving {
    visitors: mpsc::Receiver<Visit>,
    task: Option<JoinHandle<LastPages>>,
}

impl Serving {
    async fn close(self) -> Option<LastPages> {
        drop(self.visitors);
        self.task?.await.ok()
    }
}

impl From<LoginResult> for Ending {
    fn from(result: LoginResult) -> Self {
        Self { result, shown: None }
    }
}

/// A running session, as others access it.
pub(super) struct Running {
    pub(super) submissions: mpsc::Sender<Submission>,
    /// The result, once the session has ended.
    pub(super) outcome: watch::Receiver<Option<LoginResult>>,
    /// The session ends when all clones of this are dropped.
    pub(super) wanted: mpsc::Sender<()>,
}

impl Session {
    /// Runs the login in its own task. Calls `forget` before it reports the result.
    pub(super) fn spawn(
        mut self,
        deadline: Instant,
        listener: Option<(Listener, Callback)>,
        forget: impl FnOnce() + Send + 'static,
    ) -> Running {
        let (submissions, inbox) = mpsc::channel(4);
        let (ended, outcome) = watch::channel(None);
        let (wanted, unwanted) = mpsc::channel(1);
        tokio::spawn(async move {
            let (visits, visitors) = mpsc::channel(1);
            let farewell = Farewell::default();
            let task = listener.map(|(listener, callback)| {
                tokio::spawn(listener.serve(callback, visits, Arc::clone(&farewell)))
            });
            let mut serving = Serving { visitors, task };
            let Ending { result, shown } = self.run(deadline, inbox, &mut serving.visitors, unwanted).await;
            let _ = farewell.set(self.ended.note(&self.account, &self.authorization.state, &result));
            // The verifier has been used, and the next steps may take a while.
            self.authorization.verifier = None;
            let tell = async {
                forget();
                let _ = self.keeper.login(&self.account, None).await;
                ended.send_replace(Some(result));
            };
            if let Some(last_pages) = self.close(serving, shown, tell).await {
                last_pages.shown().await;
            }
        });
        Running { submissions, outcome, wanted }
    }

    /// Closes the callback and reports the result. The port is free before that, except after an answer: then a
    /// browser may reload its page.
    async fn close(
        &self,
        mut serving: Serving,
        shown: Option<Shown>,
        tell: impl Future<Output = ()>,
    ) -> Option<LastPages> {
        let Some(shown) = shown else {
            let last_pages = serving.close().await;
            tell.await;
            return last_pages;
        };
        let mut lingerer = self.lingering.enter();
        tell.await;
        tokio::select! {
            () = self.repeat(&shown, &mut serving.visitors) => {}
            () = lingerer.over() => {}
        }
        serving.close().await.map(LastPages::asked_for)
    }

    /// Shows the page again to a browser that reloads it.
    async fn repeat(&self, shown: &Shown, visits: &mut mpsc::Receiver<Visit>) {
        while let Some(visit) = visits.recv().await {
            let Visit::Answer { answer, .. } = &visit else { continue };
            let is_ours = answer.state.as_ref() == Some(&self.authorization.state);
            let is_again = is_ours && shown.is_for(&answer.content);
            let other = || self.ended.page_of(answer.state.as_ref());
            let page = if is_again { shown.page.clone() } else { other() };
            visit.show(page);
        }
    }

    /// Waits for the first answer to this login, and makes a grant of it. Nothing interrupts that: a code works once.
    async fn run(
        &mut self,
        deadline: Instant,
        mut submissions: mpsc::Receiver<Submission>,
        visits: &mut mpsc::Receiver<Visit>,
        mut unwanted: mpsc::Receiver<()>,
    ) -> Ending {
        loop {
            let ending = tokio::select! {
                Some(submission) = submissions.recv() => self.submitted(submission).await.map(Ending::from),
                Some(visit) = visits.recv() => self.visited(visit, visits).await,
                () = Polls::due(self.polls.as_ref()) => self.poll().await.map(Ending::from),
                _ = unwanted.recv() => Some(Err(cancelled(&self.account)).into()),
                () = sleep_until(deadline) => Some(Err(expired(&self.account)).into()),
            };
            if let Some(ending) = ending {
                if let Err(error) = &ending.result {
                    tracing::info!(account = self.account, %error, "the sign-in failed");
                }
                return ending;
            }
        }
    }

    /// Asks the server whether the user has allowed access. Nothing interrupts that: the answer may contain the grant.
    async fn poll(&mut self) -> Option<LoginResult> {
        let polls = self.polls.as_mut()?;
        let request = TokenRequest::Device(polls.device_code.clone());
        let outcome = self.keeper.exchange(&self.account, &self.began, request, self.replace).await;
        polls.note(outcome, &self.hint)
    }

    async fn submitted(&self, submission: Submission) -> Option<LoginResult> {
        let Submission::Answer { response, reply } = submission else {
            return Some(Err(cancelled(&self.account)));
        };
        let checked = from_paste(&response, self.flow).and_then(|answer| {
            let is_ours = answer.state.as_ref().is_none_or(|state| *state == self.authorization.state);
            if !is_ours {
                return Err(Error::invalid("response", WRONG_STATE));
            }
            self.server.check(&answer).map_err(|reason| Error::invalid("response", reason))?;
            if answer.content.credential().is_some_and(|given| self.is_in_its_address(given)) {
                return Err(Error::invalid("response", OF_THE_ADDRESS));
            }
            Ok(answer)
        });
        let outcome = match checked {
            Ok(answer) => self.take(answer.content).await,
            Err(error) => {
                let _ = reply.send(Err(error));
                return None;
            }
        };
        let again = match &outcome {
            Err(Error::TemporarilyUnavailable { reason, .. }) => {
                Some(format!("{reason}; paste the same answer again in a minute"))
            }
            outcome => refused_answer(outcome).map(|reason| {
                format!("{reason}; copy the answer again, or open the page again for a new one")
            }),
        };
        if let Some(reason) = again {
            let _ = reply.send(Err(Error::LoginFailed { reason, set_aside: None, is_open: true }));
            return None;
        }
        let _ = reply.send(outcome.clone());
        Some(outcome)
    }

    /// Whether the user pasted a parameter of the page that was opened, such as `state`.
    fn is_in_its_address(&self, given: &Secret) -> bool {
        self.authorization.url.query_pairs().any(|(_, value)| value == given.expose())
    }

    async fn visited(&self, visit: Visit, visits: &mut mpsc::Receiver<Visit>) -> Option<Ending> {
        let Visit::Answer { answer, page } = visit else {
            self.note_tls();
            return None;
        };
        // Every program on the machine can call a loopback address. An answer without our state is not for this login
        // and does not end it.
        if answer.state.as_ref() != Some(&self.authorization.state) {
            let _ = page.send(self.ended.page_of(answer.state.as_ref()));
            return None;
        }
        let is_from_server = self.server.check(&answer);
        let content = answer.content;
        let is_denied = is_from_server.is_ok() && matches!(content, Content::Denied { .. });
        let mut used = Fingerprints::default();
        content.credential().into_iter().for_each(|credential| used.note(credential, 1));
        let taking = async {
            is_from_server.map_err(Error::login)?;
            self.take(content).await
        };
        tokio::pin!(taking);
        let result = loop {
            tokio::select! {
                result = &mut taking => break result,
                Some(second) = visits.recv() => second.show(Page::Underway),
            }
        };
        let why = match &result {
            Err(Error::TemporarilyUnavailable { reason, .. }) => Some(reason.as_str()),
            outcome => refused_answer(outcome),
        };
        let failed = why.map(|why| format!("{why}; run `imgurctl login {}` to sign in again", self.account));
        let result = failed.map_or(result, |reason| Err(Error::login(reason)));
        let shown = Shown { used, page: self.page(&result, is_denied) };
        let _ = page.send(shown.page.clone());
        Some(Ending { result, shown: Some(shown) })
    }

    /// Records that a browser opened the callback with `https`: some browsers do that by default, and some users
    /// register such a URL.
    fn note_tls(&self) {
        if self.hint.borrow().is_none() {
            tracing::warn!(
                account = self.account,
                "the browser opened the callback with https, but imgurd serves http"
            );
            self.hint.send_replace(Some(format!(
                "The browser opened the callback with https, but imgurd serves http; change https to http in the \
                 browser's address bar. If this happens again, register the callback URL with http (`imgurctl \
                 account show {}` shows it), and turn off the browser's HTTPS-only mode",
                self.account
            )));
        }
    }

    fn page(&self, outcome: &LoginResult, is_denied: bool) -> Page {
        let account = self.account.clone();
        match outcome {
            Ok(SignedIn { account: Account { username, .. }, note }) => {
                Page::SignedIn { account, username: username.clone(), note: note.clone() }
            }
            Err(_) if is_denied => Page::Denied { account },
            Err(Error::LoginFailed { set_aside: Some(username), .. }) => {
                let holder = self.keeper.account(Some(&account)).ok().and_then(|account| account.username);
                let holder = holder.unwrap_or_else(|| "another user".to_owned());
                Page::Another { account, username: username.clone(), holder }
            }
            Err(error) => Page::Failed { account, reason: error.to_string() },
        }
    }

    /// Sends the answer of the sign-in page to the token endpoint. Sends it again after a pause if the server was
    /// unreachable or busy, because then the answer has not been used.
    async fn exchange(&self, request: TokenRequest) -> LoginResult {
        let mut pauses = PAUSES.into_iter();
        loop {
            let outcome =
                self.keeper.exchange(&self.account, &self.began, request.clone(), self.replace).await;
            match (&outcome, pauses.next()) {
                (Err(Error::TemporarilyUnavailable { retry_at: None, .. }), Some(pause)) => {
                    sleep(pause).await;
                }
                _ => return outcome,
            }
        }
    }

    async fn take(&self, content: Content) -> LoginResult {
        let (account, began) = (self.account.as_str(), &self.began);
        match content {
            Content::Code(code) => {
                let Authorization { verifier, nonce, .. } = self.authorization.clone();
                let redirect_uri = self.redirect_uri.clone();
                self.exchange(TokenRequest::Code { code, verifier, redirect_uri, nonce }).await
            }
            Content::Pin(pin) => self.exchange(TokenRequest::Pin(pin)).await,
            Content::Tokens(tokens) if !tokens.answers(self.authorization.nonce.as_ref()) => {
                Err(Error::login(another_sign_in(account)))
            }
            Content::Tokens(tokens) => self.keeper.accept(account, began, *tokens, self.replace).await,
            Content::Denied { description } => {
                let said = self.shown(description.as_deref()).await;
                let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
                Err(Error::login(format!(
                    "Access was denied on the sign-in page{said}; run `imgurctl login {account}` to try again"
                )))
            }
            Content::Error { code, description } => {
                let shown = self.shown(Some(&code)).await.unwrap_or_else(|| "an error".to_owned());
                let description = self.shown(description.as_deref()).await;
                Err(Error::login(reported(account, (&code, &shown), description.as_deref())))
            }
        }
    }

    /// The part of the server's text that imgurd may show.
    async fn shown(&self, text: Option<&str>) -> Option<String> {
        self.keeper.shown(&self.account, text?).await
    }
}

/// Why the server refused the answer, if that is how the login failed.
fn refused_answer(outcome: &LoginResult) -> Option<&str> {
    match outcome {
        Err(Error::InvalidArgument { field, reason }) if field == "response" => Some(reason),
        _ => None,
    }
}

/// Describes an error of the authorization page (RFC 6749, section 4.1.2.1).
fn reported(account: &str, (code, shown): (&str, &str), description: Option<&str>) -> String {
    let said = match description {
        Some(description) => format!("{shown} ({description})"),
        None => shown.to_owned(),
    };
    let settings = match code {
        "server_error" | "temporarily_unavailable" => {
            return format!(
                "The sign-in page reported {said}; wait a while, then run `imgurctl login {account}`"
            );
        }
        "unauthorized_client" => "client_id and flow",
        "unsupported_response_type" => "flow",
        "invalid_scope" => "scope",
        "invalid_target" | "login_required" | "consent_required" | "interaction_required" => "auth_params",
        _ => "the account's settings",
    };
    format!(
        "The sign-in page reported {said}; check {settings} with `imgurctl account show {account}`, then run `imgurctl login \
         {account}`"
    )
}

const OF_THE_ADDRESS: &str =
    "That is part of the sign-in page's own address; paste what the page gives you after you allow access";
const WRONG_STATE: &str = "This answer belongs to another sign-in; paste the address that this sign-in's page led \
                           to, or start again";
