//! A login in progress: from the URL to open to the grant, or to an honest end without one.

mod answer;
pub(crate) mod browser;
mod callback;
#[cfg(fuzzing)]
pub mod fuzzing;
mod listener;
mod page;
mod postman;
mod provenance;
mod session;
mod visitors;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imgurd_proto::{Error, Flow, Secret};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::config::AccountConfig;
use crate::keeper::{Keeper, SignedIn};
use crate::provider::{AuthorizationRequest, is_loopback};
use crate::random;

pub(crate) use answer::import;
use callback::Callback;
use listener::{Farewell, Listener};
pub(crate) use provenance::check_provenance;
use session::{Ended, Server, Session};

/// How a login is to go.
#[derive(Clone, Copy, Debug)]
pub struct LoginOptions {
    /// Another flow than the account's.
    pub flow: Option<Flow>,
    /// How long the person has.
    pub timeout: Duration,
    /// Whether another user than before may sign in.
    pub replace: bool,
    /// Whether the answer is handed in. A loopback callback is listened at all the same, or another user of the machine
    /// could listen there and get the answer first.
    pub paste: bool,
}

type Outcome = Result<SignedIn, Error>;

/// The logins in progress, one an account at most. Two callers who ask at once share it.
#[derive(Clone)]
pub struct Logins {
    keeper: Keeper,
    pending: Arc<Mutex<HashMap<String, Pending>>>,
    ended: Ended,
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
    fn join(&self, flow: Flow, paste: bool, patience: Duration) -> Result<Option<Login>, Error> {
        let Some(wanted) = self.wanted.upgrade() else { return Ok(None) };
        if (self.flow, self.paste) != (flow, paste) {
            let account = &self.account;
            return Err(Error::login(format!(
                "Another sign-in to {account} is in progress in another way; complete or cancel that first"
            )));
        }
        let (id, account, url) = (self.id.clone(), self.account.clone(), self.url.clone());
        let deadline = Some(Instant::now() + patience);
        Ok(Some(Login { id, account, url, paste, outcome: self.outcome.clone(), deadline, _wanted: wanted }))
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
    /// When a caller who joined a sign-in of another stops waiting for it.
    deadline: Option<Instant>,
    _wanted: mpsc::Sender<()>,
}

impl Login {
    /// How it ends.
    pub async fn outcome(&mut self) -> Outcome {
        let ended = self.outcome.wait_for(Option::is_some);
        let ended = match self.deadline {
            Some(deadline) => timeout_at(deadline, ended).await,
            None => Ok(ended.await),
        };
        match ended {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(cancelled())),
            Ok(Err(_)) => Err(cancelled()),
            Err(_) => Err(expired()),
        }
    }
}

impl Logins {
    /// No login yet.
    #[must_use]
    pub fn new(keeper: Keeper) -> Self {
        Self { keeper, pending: Arc::default(), ended: Ended::default() }
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
        let began = self.keeper.begin(account, config.issuer()).await?;
        while let Some(pending) = self.find_of(account) {
            if let Some(login) = pending.join(flow, paste, options.timeout)? {
                return Ok(login);
            }
            // Nobody wants that one any more: it ends, and its port is free again.
            let _ = pending.outcome.clone().wait_for(Option::is_some).await;
        }
        let authorization = request(config, flow).build();
        let mut listener = None;
        if flow != Flow::Pin && is_loopback(&config.redirect_uri) {
            match Listener::bind(&config.redirect_uri).await {
                Ok(bound) => {
                    let state = &authorization.state;
                    listener = Some((bound, Callback::new(account, &config.redirect_uri, flow, state)));
                }
                // Nobody else can listen there, or it is for the person's own program to be told of the answer.
                Err(error) if paste && !error.is_unsafe() => {
                    tracing::warn!(account, error = %Error::from(error), "the answer has to be pasted");
                }
                Err(error) => {
                    // Whoever asked at the same moment may have been quicker.
                    if let Some(pending) = self.find_of(account) {
                        return pending.join(flow, paste, options.timeout)?.ok_or(error.into());
                    }
                    self.keeper.login(account, None).await?;
                    return Err(error.into());
                }
            }
        }
        let session = Session {
            keeper: self.keeper.clone(),
            account: account.to_owned(),
            began,
            flow,
            replace: options.replace,
            redirect_uri: config.send_redirect_uri.then(|| config.redirect_uri.clone()),
            authorization,
            server: Server { issuer: config.issuer.clone(), auth_url: config.auth_url.clone() },
            ended: self.ended.clone(),
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
        listener: Option<(Listener, Callback)>,
    ) -> Login {
        let id = format!("{:016x}", u64::from_ne_bytes(random::bytes()));
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
            let (visits, mut visitors) = mpsc::channel(1);
            let farewell = Farewell::default();
            let serving = listener.map(|(listener, callback)| {
                tokio::spawn(listener.serve(callback, visits, Arc::clone(&farewell)))
            });
            let outcome = session.run(deadline, inbox, &mut visitors, unwanted).await;
            let _ = farewell.set(logins.ended.note(&session, &outcome));
            drop(visitors);
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
        Login { id, account, url, paste, outcome, deadline: None, _wanted: wanted }
    }
}

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
