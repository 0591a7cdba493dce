//! The task of a login, which waits for the answer and makes a grant of it.
//!
//! On the local socket a login ends when its caller hangs up, so Ctrl-C needs no message. Callers who ask at once share one
//! login. On D-Bus it goes on, because a caller such as `busctl` leaves after the first answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use imgurd_proto::text::printable_name;
use imgurd_proto::{Account, Error, Flow, Secret};
use oauth2::RedirectUrl;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::authorization_response::{AuthorizationResponse, Content, from_paste};
use super::callback::Callback;
use super::listener::{Farewell, Listener, Visit};
use super::page::Page;
use super::{LoginResult, Submission, cancelled, expired, lock};
use crate::keeper::{Began, Keeper, SignedIn};
use crate::provider::{Authorization, TokenRequest};

pub(super) struct Session {
    pub(super) keeper: Keeper,
    pub(super) account: String,
    /// The account as it was when the page was opened: the answer is for that, whatever is configured by then.
    pub(super) began: Began,
    pub(super) flow: Flow,
    pub(super) replace: bool,
    pub(super) redirect_uri: Option<RedirectUrl>,
    pub(super) authorization: Authorization,
    pub(super) server: Server,
    pub(super) ended: EndedLogins,
}

/// A session that runs, as others reach it.
pub(super) struct Running {
    pub(super) submissions: mpsc::Sender<Submission>,
    /// How it ended, once it has.
    pub(super) outcome: watch::Receiver<Option<LoginResult>>,
    /// The session ends when all clones of this are dropped.
    pub(super) wanted: mpsc::Sender<()>,
}

impl Session {
    /// Runs the login in a task of its own. `forget` is called before anyone hears how it ended.
    pub(super) fn spawn(
        self,
        deadline: Instant,
        listener: Option<(Listener, Callback)>,
        forget: impl FnOnce() + Send + 'static,
    ) -> Running {
        let (submissions, inbox) = mpsc::channel(4);
        let (ended, outcome) = watch::channel(None);
        let (wanted, unwanted) = mpsc::channel(1);
        tokio::spawn(async move {
            let (visits, mut visitors) = mpsc::channel(1);
            let farewell = Farewell::default();
            let serving = listener.map(|(listener, callback)| {
                tokio::spawn(listener.serve(callback, visits, Arc::clone(&farewell)))
            });
            let result = self.run(deadline, inbox, &mut visitors, unwanted).await;
            let _ = farewell.set(self.ended.note(&self, &result));
            drop(visitors);
            // The port is free again before anyone hears of the end and signs in again.
            let last_pages = match serving {
                Some(serving) => serving.await.ok(),
                None => None,
            };
            forget();
            let _ = self.keeper.login(&self.account, None).await;
            ended.send_replace(Some(result));
            if let Some(last_pages) = last_pages {
                last_pages.shown().await;
            }
        });
        Running { submissions, outcome, wanted }
    }

    /// Waits for the first answer that is ours, and makes a grant of it. That is never cut short: the code is spent.
    async fn run(
        &self,
        deadline: Instant,
        mut submissions: mpsc::Receiver<Submission>,
        visits: &mut mpsc::Receiver<Visit>,
        mut unwanted: mpsc::Receiver<()>,
    ) -> LoginResult {
        loop {
            let outcome = tokio::select! {
                Some(submission) = submissions.recv() => self.submitted(submission).await,
                Some(visit) = visits.recv() => self.visited(visit, visits).await,
                _ = unwanted.recv() => Some(Err(cancelled())),
                () = sleep_until(deadline) => Some(Err(expired())),
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
    }

    async fn submitted(&self, submission: Submission) -> Option<LoginResult> {
        let Submission::Answer { response, reply } = submission else {
            return Some(Err(cancelled()));
        };
        let checked = from_paste(&response, self.flow).and_then(|answer| {
            let is_ours = answer.state.as_ref().is_none_or(|state| *state == self.authorization.state);
            if !is_ours {
                return Err(Error::invalid("response", WRONG_STATE));
            }
            self.server.check(&answer).map_err(|reason| Error::invalid("response", reason))?;
            Ok(answer)
        });
        match checked {
            Ok(answer) => {
                let outcome = self.take(answer.content).await;
                let _ = reply.send(outcome.clone());
                Some(outcome)
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                None
            }
        }
    }

    async fn visited(&self, visit: Visit, visits: &mut mpsc::Receiver<Visit>) -> Option<LoginResult> {
        let is_from_server = self.server.check(&visit.answer);
        let AuthorizationResponse { state, content, .. } = visit.answer;
        // Anyone can call a loopback address. Without our state it is somebody else's answer, and ends nothing.
        if state.as_ref() != Some(&self.authorization.state) {
            let page = state.and_then(|state| self.ended.page_of(&state)).unwrap_or(Page::WrongState);
            let _ = visit.page.send(page);
            return None;
        }
        let is_denied = is_from_server.is_ok() && content == Content::Denied;
        let taking = async {
            is_from_server.map_err(Error::login)?;
            self.take(content).await
        };
        tokio::pin!(taking);
        let outcome = loop {
            tokio::select! {
                outcome = &mut taking => break outcome,
                Some(second) = visits.recv() => drop(second.page.send(Page::Underway)),
            }
        };
        let _ = visit.page.send(self.page(&outcome, is_denied));
        Some(outcome)
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
                let holder = holder.unwrap_or_else(|| "somebody else".to_owned());
                Page::Another { account, username: username.clone(), holder }
            }
            Err(error) => Page::Failed { account, reason: error.to_string() },
        }
    }

    async fn take(&self, content: Content) -> LoginResult {
        let (account, began) = (self.account.as_str(), &self.began);
        match content {
            Content::Code(code) => {
                let verifier = self.authorization.verifier.clone();
                let redirect_uri = self.redirect_uri.clone();
                self.keeper
                    .exchange(
                        account,
                        began,
                        TokenRequest::Code { code, verifier, redirect_uri },
                        self.replace,
                    )
                    .await
            }
            Content::Pin(pin) => {
                self.keeper.exchange(account, began, TokenRequest::Pin(pin), self.replace).await
            }
            Content::Tokens(tokens) => self.keeper.accept(account, began, *tokens, self.replace).await,
            Content::Denied => Err(Error::login(format!(
                "Access was denied on the sign-in page; run `imgurctl login {account}` to try again"
            ))),
            Content::Error { code, description } => {
                Err(Error::login(reported(account, &code, description.as_deref())))
            }
        }
    }
}

pub(super) struct Server {
    /// Its identifier, where the account names it.
    pub(super) issuer: Option<String>,
    pub(super) auth_url: Url,
}

impl Server {
    /// Refuses the answer of another server (RFC 9207, section 2.4; RFC 9700, section 4.4). Without a configured issuer,
    /// `iss` must have the origin of the page that was opened.
    fn check(&self, answer: &AuthorizationResponse) -> Result<(), String> {
        let Some(iss) = &answer.iss else { return Ok(()) };
        let is_ours = match &self.issuer {
            Some(issuer) => iss == issuer,
            None => Url::parse(iss).is_ok_and(|iss| iss.origin() == self.auth_url.origin()),
        };
        if is_ours {
            return Ok(());
        }
        let wanted = self.issuer.clone().unwrap_or_else(|| self.auth_url.origin().ascii_serialization());
        let iss = printable_name(iss);
        Err(format!(
            "The answer is from another server ({iss}) than this account's ({wanted}), and was not used; if both are the same \
             server, set issuer to what it calls itself"
        ))
    }
}

/// What is said of an error of the authorization page (RFC 6749, section 4.1.2.1).
fn reported(account: &str, code: &str, description: Option<&str>) -> String {
    // In our sentences, what is between backticks is a command to run.
    let said = match description {
        Some(description) => format!("{code} ({description})").replace('`', "'"),
        None => code.replace('`', "'"),
    };
    let mend = match code {
        "server_error" | "temporarily_unavailable" => {
            format!("wait a while, then run `imgurctl login {account}`")
        }
        _ => format!("check the account's settings with `imgurctl account show {account}`"),
    };
    format!("The sign-in page reported {said}; {mend}")
}

const WRONG_STATE: &str =
    "This answer belongs to another sign-in; paste the address that this one's page led to, or start again";

/// How many ended logins are remembered. Their states are worth nothing any more.
const REMEMBERED: usize = 16;

/// The logins that ended, for a visit from a page that was left open: its answer comes to a later login's callback.
#[derive(Clone, Default)]
pub(super) struct EndedLogins(Arc<Mutex<VecDeque<(Secret, Page)>>>);

impl EndedLogins {
    /// Notes how a login ended, and returns what its late visitors are shown.
    pub(super) fn note(&self, session: &Session, outcome: &LoginResult) -> Page {
        let page = farewell(session.account.clone(), outcome);
        let mut ended = lock(&self.0);
        ended.truncate(REMEMBERED - 1);
        ended.push_front((session.authorization.state.clone(), page.clone()));
        page
    }

    fn page_of(&self, state: &Secret) -> Option<Page> {
        lock(&self.0).iter().find(|(known, _)| known == state).map(|(_, page)| page.clone())
    }
}

fn farewell(account: String, outcome: &LoginResult) -> Page {
    match outcome {
        Ok(_) => Page::Complete,
        Err(error) if *error == expired() => Page::Expired { account },
        Err(error) if *error == cancelled() => Page::Cancelled { account },
        Err(error) => Page::Failed { account, reason: error.to_string() },
    }
}
