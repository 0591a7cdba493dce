//! A login in progress: from the URL to open to the grant, or to an honest end without one.

mod answer;
pub(crate) mod browser;
mod listener;
mod page;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imgurd_proto::{Error, Flow, Secret};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::config::{AccountConfig, is_loopback};
use crate::keeper::{Keeper, SignedIn};
use crate::provider::{Authorization, AuthorizationRequest, TokenRequest};

pub(crate) use answer::import;
use answer::{Answer, Content};
use listener::{Listener, Visit};
use page::Page;

/// How a login is to go.
#[derive(Clone, Copy, Debug)]
pub struct LoginOptions {
    /// Another flow than the account's.
    pub flow: Option<Flow>,
    /// How long the person has.
    pub timeout: Duration,
    /// Whether another user than before may sign in.
    pub replace: bool,
    /// Whether the answer is handed in rather than listened for.
    pub paste: bool,
}

type Outcome = Result<SignedIn, Error>;

/// The logins in progress, one an account at most. Two callers who ask at once share it.
#[derive(Clone)]
pub struct Logins {
    keeper: Keeper,
    pending: Arc<Mutex<HashMap<String, Pending>>>,
}

#[derive(Clone)]
struct Pending {
    id: String,
    account: String,
    url: Url,
    flow: Flow,
    paste: bool,
    submissions: mpsc::Sender<Submission>,
    outcome: watch::Receiver<Option<Outcome>>,
    /// Everyone who wants this login holds one; when the last is gone, it ends.
    wanted: mpsc::WeakSender<()>,
}

impl Pending {
    /// A part in it; none where nobody wants it any more.
    fn join(&self, flow: Flow, paste: bool) -> Result<Option<Login>, Error> {
        let Some(wanted) = self.wanted.upgrade() else { return Ok(None) };
        if (self.flow, self.paste) != (flow, paste) {
            let account = &self.account;
            return Err(Error::login(format!(
                "Another sign-in to {account} is in progress in another way; complete or cancel that first"
            )));
        }
        let (id, account, url) = (self.id.clone(), self.account.clone(), self.url.clone());
        Ok(Some(Login { id, account, url, paste, outcome: self.outcome.clone(), _wanted: wanted }))
    }
}

/// What is done with a login from outside.
enum Submission {
    Answer { response: Secret, reply: oneshot::Sender<Outcome> },
    Cancel,
}

/// A caller's part in a login. Dropping it says that the caller does not want it any more.
pub struct Login {
    /// What to call it.
    pub id: String,
    /// The account.
    pub account: String,
    /// The page to open.
    pub url: Url,
    /// Whether the answer has to be handed in.
    pub paste: bool,
    outcome: watch::Receiver<Option<Outcome>>,
    _wanted: mpsc::Sender<()>,
}

impl Login {
    /// How it ends.
    pub async fn outcome(&mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(cancelled())),
            Err(_) => Err(cancelled()),
        }
    }
}

impl Logins {
    /// No login yet.
    #[must_use]
    pub fn new(keeper: Keeper) -> Self {
        Self { keeper, pending: Arc::default() }
    }

    /// Begins a login of `account`, or joins the one in progress.
    pub async fn begin(
        &self,
        account: &str,
        config: &AccountConfig,
        options: LoginOptions,
    ) -> Result<Login, Error> {
        let flow = options.flow.unwrap_or(config.flow);
        let is_local = config.redirect_uri.scheme() == "http" && is_loopback(&config.redirect_uri);
        let paste = options.paste || flow == Flow::Pin || !is_local;
        if flow == Flow::Token && !paste {
            let reason = "The token flow puts its answer where no server sees it; sign in with --paste, or with --flow code";
            return Err(Error::invalid("flow", reason));
        }
        self.keeper.ready_for_grant(account).await?;
        while let Some(pending) = self.find_of(account) {
            if let Some(login) = pending.join(flow, paste)? {
                return Ok(login);
            }
            // Nobody wants that one any more: it ends, and its port is free again.
            let _ = pending.outcome.clone().wait_for(Option::is_some).await;
        }
        let mut listener = None;
        if !paste {
            match Listener::bind(&config.redirect_uri).await {
                Ok(bound) => listener = Some(bound),
                Err(error) => {
                    // Whoever asked at the same moment may have been quicker.
                    let quicker = self.find_of(account).map(|pending| pending.join(flow, paste));
                    return quicker.transpose()?.flatten().ok_or(error);
                }
            }
        }
        let session = Session {
            keeper: self.keeper.clone(),
            account: account.to_owned(),
            flow,
            replace: options.replace,
            redirect_uri: config.send_redirect_uri.then(|| config.redirect_uri.clone()),
            authorization: request(config, flow).build(),
        };
        let login = self.register(session, paste, options.timeout, listener);
        self.keeper.login(account, Some(&login.id)).await?;
        Ok(login)
    }

    /// Hands in what a person copied from the authorization page.
    pub async fn complete(&self, login_id: &str, response: Secret) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        let submissions = self.find(login_id)?.submissions;
        submissions.send(Submission::Answer { response, reply }).await.map_err(|_| no_such(login_id))?;
        outcome.await.unwrap_or_else(|_| Err(cancelled()))
    }

    /// Ends a login.
    pub async fn cancel(&self, login_id: &str) -> Result<(), Error> {
        let mut pending = self.find(login_id)?;
        let _ = pending.submissions.send(Submission::Cancel).await;
        let _ = pending.outcome.wait_for(Option::is_some).await;
        Ok(())
    }

    fn find(&self, login_id: &str) -> Result<Pending, Error> {
        lock(&self.pending).get(login_id).cloned().ok_or_else(|| no_such(login_id))
    }

    fn find_of(&self, account: &str) -> Option<Pending> {
        lock(&self.pending).values().find(|pending| pending.account == account).cloned()
    }

    fn register(
        &self,
        session: Session,
        paste: bool,
        patience: Duration,
        listener: Option<Listener>,
    ) -> Login {
        let id = format!("{:016x}", rand::random::<u64>());
        let (submissions, inbox) = mpsc::channel(4);
        let (outcome_sender, outcome) = watch::channel(None);
        let (wanted, unwanted) = mpsc::channel(1);
        let (account, url) = (session.account.clone(), session.authorization.url.clone());
        let pending = Pending {
            id: id.clone(),
            account: account.clone(),
            url: url.clone(),
            flow: session.flow,
            paste,
            submissions,
            outcome: outcome.clone(),
            wanted: wanted.downgrade(),
        };
        lock(&self.pending).insert(id.clone(), pending);
        let (logins, session_id) = (self.clone(), id.clone());
        let deadline = Instant::now() + patience;
        tokio::spawn(async move {
            let account = session.account.clone();
            let (visits, visitors) = mpsc::channel(1);
            let serving = listener.map(|listener| tokio::spawn(listener.serve(visits)));
            let outcome = session.run(deadline, inbox, visitors, unwanted).await;
            // The port is free again before anyone hears of the end and signs in anew.
            let last_pages = match serving {
                Some(serving) => serving.await.ok(),
                None => None,
            };
            lock(&logins.pending).remove(&session_id);
            let _ = logins.keeper.login(&account, None).await;
            outcome_sender.send_replace(Some(outcome));
            if let Some(last_pages) = last_pages {
                last_pages.shown().await;
            }
        });
        Login { id, account, url, paste, outcome, _wanted: wanted }
    }
}

/// The login itself, in a task of its own.
struct Session {
    keeper: Keeper,
    account: String,
    flow: Flow,
    replace: bool,
    redirect_uri: Option<Url>,
    authorization: Authorization,
}

impl Session {
    /// Waits for the first answer that is ours, and makes a grant of it. What follows that answer is not cut short:
    /// the code is spent.
    async fn run(
        &self,
        deadline: Instant,
        mut submissions: mpsc::Receiver<Submission>,
        mut visits: mpsc::Receiver<Visit>,
        mut unwanted: mpsc::Receiver<()>,
    ) -> Outcome {
        loop {
            let outcome = tokio::select! {
                Some(submission) = submissions.recv() => self.submitted(submission).await,
                Some(visit) = visits.recv() => self.visited(visit, &mut visits).await,
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
        if state.is_none_or(|state| state != self.authorization.state) {
            let _ = visit.page.send(Page::WrongState);
            return None;
        }
        let denied = content == Content::Denied;
        let taking = self.take(content);
        tokio::pin!(taking);
        let outcome = loop {
            tokio::select! {
                outcome = &mut taking => break outcome,
                Some(second) = visits.recv() => drop(second.page.send(Page::Underway)),
            }
        };
        let _ = visit.page.send(match &outcome {
            Ok(SignedIn { account, note }) => Page::SignedIn {
                account: account.name.clone(),
                username: account.username.clone(),
                note: note.clone(),
            },
            Err(_) if denied => Page::Denied,
            Err(error) => Page::Failed { reason: error.to_string() },
        });
        Some(outcome)
    }

    async fn take(&self, content: Content) -> Outcome {
        let account = self.account.as_str();
        match content {
            Content::Code(code) => {
                let verifier = self.authorization.verifier.clone();
                let redirect_uri = self.redirect_uri.clone();
                self.keeper
                    .exchange(account, TokenRequest::Code { code, verifier, redirect_uri }, self.replace)
                    .await
            }
            Content::Pin(pin) => self.keeper.exchange(account, TokenRequest::Pin(pin), self.replace).await,
            Content::Tokens(tokens) => self.keeper.accept(account, *tokens, self.replace).await,
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

fn request(config: &AccountConfig, flow: Flow) -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: config.client_id.clone(),
        auth_url: config.auth_url.clone(),
        flow,
        redirect_uri: config.send_redirect_uri.then(|| config.redirect_uri.clone()),
        scope: config.scope.clone(),
        state_prefix: config.state.clone(),
        params: config.auth_params.clone(),
    }
}

fn cancelled() -> Error {
    Error::login("The sign-in was cancelled; run `imgurctl login` to try again")
}

fn expired() -> Error {
    Error::login("Nobody completed the sign-in in time; run `imgurctl login` to try again")
}

fn no_such(login_id: &str) -> Error {
    let shown: String = login_id.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    Error::invalid(
        "login_id",
        format!("No sign-in {shown} is in progress: it ended, or never was; start another one"),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
