//! A login's own task: it waits for the answer that is ours, and makes a grant of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use imgurd_proto::{Account, Error, Flow, Secret};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::answer::{self, Answer, Content};
use super::listener::Visit;
use super::page::Page;
use super::{Outcome, Submission, cancelled, expired, lock};
use crate::keeper::{Began, Keeper, SignedIn};
use crate::provider::{Authorization, TokenRequest};

/// The login itself, in a task of its own.
pub(super) struct Session {
    pub(super) keeper: Keeper,
    pub(super) account: String,
    /// The account as it was when the page was opened: the answer is for that, whatever is configured by then.
    pub(super) began: Began,
    pub(super) flow: Flow,
    pub(super) replace: bool,
    pub(super) redirect_uri: Option<Url>,
    pub(super) authorization: Authorization,
    pub(super) ended: Ended,
}

impl Session {
    /// Waits for the first answer that is ours, and makes a grant of it. What follows that answer is not cut short:
    /// the code is spent.
    pub(super) async fn run(
        &self,
        deadline: Instant,
        mut submissions: mpsc::Receiver<Submission>,
        visits: &mut mpsc::Receiver<Visit>,
        mut unwanted: mpsc::Receiver<()>,
    ) -> Outcome {
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

    async fn submitted(&self, submission: Submission) -> Option<Outcome> {
        let Submission::Answer { response, reply } = submission else {
            return Some(Err(cancelled()));
        };
        let checked = answer::from_paste(&response, self.flow).and_then(|answer| {
            let is_ours = answer.state.as_ref().is_none_or(|state| *state == self.authorization.state);
            if is_ours { Ok(answer) } else { Err(Error::invalid("response", WRONG_STATE)) }
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

    async fn visited(&self, visit: Visit, visits: &mut mpsc::Receiver<Visit>) -> Option<Outcome> {
        let Answer { state, content } = visit.answer;
        // Anyone can call a loopback address. Without our state it is somebody else's answer, and ends nothing.
        if state.as_ref() != Some(&self.authorization.state) {
            let page = state.and_then(|state| self.ended.page_of(&state)).unwrap_or(Page::WrongState);
            let _ = visit.page.send(page);
            return None;
        }
        let is_denied = content == Content::Denied;
        let taking = self.take(content);
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

    fn page(&self, outcome: &Outcome, is_denied: bool) -> Page {
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

    async fn take(&self, content: Content) -> Outcome {
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
            Content::Error(code) => Err(Error::login(format!(
                "The sign-in page reported {code}; check the account's settings with `imgurctl account show {account}`"
            ))),
        }
    }
}

const WRONG_STATE: &str =
    "This answer belongs to another sign-in; paste the address that this one's page led to, or start again";

/// How many ended logins are remembered. Their states are worth nothing any more.
const REMEMBERED: usize = 16;

/// The logins that ended, for a visit from a page that was left open: its answer comes to a later login's callback.
#[derive(Clone, Default)]
pub(super) struct Ended(Arc<Mutex<VecDeque<(Secret, Page)>>>);

impl Ended {
    /// Notes how a login ended, and returns what its late visitors are shown.
    pub(super) fn note(&self, session: &Session, outcome: &Outcome) -> Page {
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

fn farewell(account: String, outcome: &Outcome) -> Page {
    match outcome {
        Ok(_) => Page::Complete,
        Err(error) if *error == expired() => Page::Expired { account },
        Err(error) if *error == cancelled() => Page::Cancelled { account },
        Err(error) => Page::Failed { account, reason: error.to_string() },
    }
}
