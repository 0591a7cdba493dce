//! Shows desktop notifications about problems that need the user.

mod desktop;
mod event;
mod notice;
mod question;
mod schedule;
mod server;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Account, DEFAULT_LOGIN_TIMEOUT_S, Error, State};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::access::{Decision, Question, Questions};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::SettingsEditor;
use crate::consent::{Login, LoginOptions, Logins, UserCode, browser};
use crate::grant::Timestamp;
use crate::keeper::{Attention, Keeper};

use desktop::Desktop;
use event::{Event, News};
use notice::{Matter, Notice, Remedy, Subject};
use schedule::{Change, Schedule};
pub(crate) use server::capabilities;

/// How long removing the notifications may take when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// The running notifications.
#[derive(Debug)]
pub struct Notifier {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Notifier {
    /// Removes the notifications, because their buttons will not work any more.
    pub async fn end(self) {
        let _ = self.stop.send(());
        let _ = timeout(FAREWELL, self.task).await;
    }
}

/// Starts to show notifications about the keeper's accounts and the gate's questions. It needs its own clock, because
/// a clock's timer has only one sleeper.
#[must_use]
pub fn spawn(
    keeper: Keeper,
    logins: Logins,
    editor: Arc<SettingsEditor>,
    bus: Bus,
    clock: Box<dyn Clock>,
    questions: Questions,
) -> Notifier {
    let (events, inbox) = mpsc::channel(16);
    let (stop, stopping) = oneshot::channel();
    let worker = Worker {
        desktop: Desktop::new(bus.clone(), events.clone()),
        schedule: Schedule::default(),
        wanted: BTreeSet::new(),
        signing_in: BTreeSet::new(),
        consented: BTreeSet::new(),
        appeared_after: 0,
        keeper,
        logins,
        editor,
        bus,
        events,
    };
    Notifier { stop, task: tokio::spawn(worker.run(clock, inbox, questions, stopping)) }
}

struct Worker {
    keeper: Keeper,
    logins: Logins,
    editor: Arc<SettingsEditor>,
    bus: Bus,
    events: mpsc::Sender<Event>,
    desktop: Desktop,
    schedule: Schedule,
    /// The accounts for which a caller wanted a token, but there was none.
    wanted: BTreeSet<String>,
    /// The accounts for which a click has started a login.
    signing_in: BTreeSet<String>,
    /// The accounts whose login has ended and whose token has not arrived yet.
    consented: BTreeSet<String>,
    /// The number of the last notification when a server appeared. That one may have been sent too early.
    appeared_after: u64,
}

impl Worker {
    async fn run(
        mut self,
        clock: Box<dyn Clock>,
        mut inbox: mpsc::Receiver<Event>,
        mut questions: Questions,
        mut stopping: oneshot::Receiver<()>,
    ) {
        let (mut changes, mut unmet) = (self.keeper.changes(), self.keeper.unmet());
        let following = desktop::watch_servers(self.bus.clone(), self.events.clone());
        tokio::pin!(following);
        loop {
            let wake = self.update(clock.now());
            tokio::select! {
                _ = &mut stopping => return self.desktop.clear().await,
                Ok(()) = changes.changed() => {}
                Ok(()) = unmet.changed() => {}
                Some(question) = questions.recv() => self.ask(question),
                Some(event) = inbox.recv() => self.handle(event, clock.now()),
                () = clock.sleep_until(wake) => {}
                () = &mut following => {}
            }
        }
    }

    /// Updates the notifications. Returns when to update them next if nothing happens.
    fn update(&mut self, now: Timestamp) -> Option<Timestamp> {
        let settings = self.editor.current().notifications.clone();
        self.schedule.set_pauses(&settings.again);
        self.wanted.extend(self.keeper.take_unmet());
        let attention = if settings.enabled { self.keeper.attention() } else { Vec::new() };
        let is_there = |name: &String| attention.iter().any(|it| it.account.name == *name);
        for name in self.schedule.names().iter().filter(|name| !is_there(name)) {
            self.schedule.update(name, None, false, now);
            self.desktop.withdraw(name);
        }
        for account in &attention {
            self.update_account(account, now);
        }
        for (name, notice) in self.schedule.take_due(now) {
            self.desktop.show(&name, notice);
        }
        let ageing = attention.iter().filter_map(|it| it.ages_at).filter(|at| *at > now);
        ageing.chain(self.schedule.next()).min()
    }

    fn update_account(&mut self, attention: &Attention, now: Timestamp) {
        let account = &*attention.account;
        let name = account.name.as_str();
        if !matches!(account.state, State::Empty | State::StoreUnavailable) {
            self.wanted.remove(name);
        }
        let notice = Notice::of(attention, &subject(&self.editor, name), self.wanted.contains(name), now);
        let was_consent = self.schedule.notice(name).is_some_and(|known| known.matter == Matter::Consent);
        let is_well = notice.is_none();
        match self.schedule.update(name, notice, account.login_pending, now) {
            Change::None => {}
            Change::Reworded if !self.desktop.shows(name) => {}
            Change::Reworded => {
                if let Some(notice) = self.schedule.notice(name) {
                    self.desktop.show(name, notice.clone());
                }
            }
            Change::Solved => {
                let was_told = self.signing_in.remove(name) || self.desktop.shows(name);
                if was_consent && is_well && was_told {
                    self.consented.insert(name.to_owned());
                } else {
                    self.desktop.withdraw(name);
                }
            }
        }
        self.confirm_sign_in(account);
    }

    /// Confirms a login once its token has arrived.
    fn confirm_sign_in(&mut self, account: &Account) {
        // Between the server's answer and saving it, there is no token.
        if account.state == State::Refreshing || !self.consented.remove(&account.name) {
            return;
        }
        if account.state == State::Fresh {
            self.desktop.show(&account.name, Notice::done(account, &subject(&self.editor, &account.name)));
        } else {
            self.desktop.withdraw(&account.name);
        }
    }

    fn ask(&mut self, question: Question) {
        if self.editor.current().notifications.enabled {
            let subject = subject(&self.editor, &question.account);
            return self.desktop.ask(question, subject);
        }
        let _ = question.answer.send(Decision::Unasked("config.toml turns notifications off".to_owned()));
    }

    fn handle(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Appeared => {
                self.appeared_after = self.desktop.last();
                self.schedule.server_appeared(now);
            }
            Event::Gone => {
                for name in self.desktop.forget() {
                    self.schedule.missed(&name);
                }
            }
            Event::News(name, number, news) => self.handle_news(&name, number, news, now),
            Event::ByHand(name, notice) => self.desktop.show(&name, notice),
            Event::Failed(name) => {
                self.signing_in.remove(&name);
                self.desktop.withdraw(&name);
            }
        }
    }

    fn handle_news(&mut self, name: &str, number: u64, news: News, now: Timestamp) {
        let Some(notice) = self.desktop.take(name, number, news) else { return };
        match (news, notice.remedy) {
            (News::Failed, _) => {
                self.schedule.missed(name);
                if number <= self.appeared_after {
                    self.schedule.server_appeared(now);
                }
            }
            (News::Accepted, remedy) => {
                self.schedule.put_off(name, now);
                match remedy {
                    Some(Remedy::SignIn) => self.begin_sign_in(name.to_owned()),
                    Some(Remedy::Unlock) => self.unlock(name.to_owned()),
                    None => {}
                }
            }
            (News::Later, _) => self.schedule.put_off(name, now),
            (News::Shown(_) | News::Closed, _) => {}
        }
    }

    fn unlock(&self, name: String) {
        let (keeper, events, subject) =
            (self.keeper.clone(), self.events.clone(), subject(&self.editor, &name));
        tokio::spawn(async move {
            if let Err(error) = keeper.unlock_store().await {
                tracing::info!(%error, "the store is still locked");
                let notice = Notice::still_locked(&subject, &error.to_string());
                let _ = events.send(Event::ByHand(name, notice)).await;
            }
        });
    }

    fn begin_sign_in(&mut self, name: String) {
        if !self.signing_in.insert(name.clone()) {
            return;
        }
        let (logins, editor) = (self.logins.clone(), self.editor.clone());
        let (bus, events) = (self.bus.clone(), self.events.clone());
        tokio::spawn(async move {
            if let Some(news) = sign_in(&name, &logins, &editor, &bus, &events).await {
                let _ = events.send(news).await;
            }
        });
    }
}

fn subject(editor: &SettingsEditor, account: &str) -> Subject {
    let service = editor.account(account).map_or_else(|_| "unknown".to_owned(), |config| config.service());
    Subject { service, account: account.to_owned() }
}

/// Lets the user sign in with the browser. Returns the event to handle if that ends without a grant.
async fn sign_in(
    name: &str,
    logins: &Logins,
    editor: &SettingsEditor,
    bus: &Bus,
    events: &mpsc::Sender<Event>,
) -> Option<Event> {
    let subject = subject(editor, name);
    let mut login = match begin(name, logins, editor).await {
        Ok(login) => login,
        Err(error) => {
            let _ = events.send(Event::Failed(name.to_owned())).await;
            return Some(Event::ByHand(name.to_owned(), Notice::not_begun(&subject, &error.to_string())));
        }
    };
    let mut url = login.open.url.clone();
    if let Some(UserCode { user_code, complete }) = login.open.code.clone() {
        let notice = Notice::code(&subject, &user_code, &url);
        let _ = events.send(Event::ByHand(name.to_owned(), notice)).await;
        url = complete.unwrap_or(url);
    }
    let early = tokio::select! {
        outcome = login.outcome() => Some(outcome),
        opened = browser::open(bus, &url) => {
            if let Err(why) = opened && login.open.code.is_none() {
                let notice = Notice::page(&subject, &why, &url);
                let _ = events.send(Event::ByHand(name.to_owned(), notice)).await;
            }
            None
        }
    };
    let outcome = match early {
        Some(outcome) => outcome,
        None => login.outcome().await,
    };
    outcome.is_err().then(|| Event::Failed(name.to_owned()))
}

async fn begin(name: &str, logins: &Logins, editor: &SettingsEditor) -> Result<Login, Error> {
    let timeout = Duration::from_secs(DEFAULT_LOGIN_TIMEOUT_S.unsigned_abs());
    let options = LoginOptions { flow: None, timeout, replace: false, paste: false, client_secret: None };
    logins.begin(name, &*editor.account(name)?, options).await
}
