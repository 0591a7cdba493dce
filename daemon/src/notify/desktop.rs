//! The notifications on the screen. Each one has its own task.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use notify_rust::{Hint, Notification, Timeout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;
use zbus::Connection;
use zbus::fdo::DBusProxy;

use super::event::{Event, News};
use super::notice::{Notice, Subject};
use super::question;
use super::server::{Actions, NAME, Response, Shown as Showing, notification, show};
use crate::access::Question;
use crate::bus::Bus;

const BRIEF: Duration = Duration::from_secs(8);
/// The click on the notification itself (Desktop Notifications Specification, `Notify`).
const DEFAULT: &str = "default";
const LATER: &str = "later";

/// The notifications on the screen, one per account.
pub(super) struct Desktop {
    bus: Bus,
    events: mpsc::Sender<Event>,
    shown: BTreeMap<String, Shown>,
    last: u64,
    posts: JoinSet<()>,
    /// Dropping one removes its question.
    questions: Vec<oneshot::Sender<()>>,
}

struct Shown {
    number: u64,
    /// The server's ID for it, once the server has answered.
    id: Option<u32>,
    notice: Notice,
    /// Sending closes the notification; dropping it leaves the notification to its replacement.
    close: oneshot::Sender<()>,
}

impl Desktop {
    pub(super) fn new(bus: Bus, events: mpsc::Sender<Event>) -> Self {
        Self { bus, events, shown: BTreeMap::new(), last: 0, posts: JoinSet::new(), questions: Vec::new() }
    }

    /// Shows a notice, which replaces the account's last notification.
    pub(super) fn show(&mut self, account: &str, notice: Notice) {
        while self.posts.try_join_next().is_some() {}
        self.last += 1;
        let id = self.shown.remove(account).and_then(|shown| shown.id);
        let (close, closing) = oneshot::channel();
        let post = Post { account: account.to_owned(), number: self.last, events: self.events.clone() };
        self.posts.spawn(post.deliver(self.bus.clone(), notice.clone(), id, closing));
        self.shown.insert(account.to_owned(), Shown { number: self.last, id, notice, close });
    }

    /// Shows a question, in addition to the notifications.
    pub(super) fn ask(&mut self, question: Question, subject: Subject) {
        while self.posts.try_join_next().is_some() {}
        self.questions.retain(|close| !close.is_closed());
        let (close, closing) = oneshot::channel();
        self.questions.push(close);
        self.posts.spawn(question::put(self.bus.clone(), question, subject, closing));
    }

    pub(super) fn shows(&self, account: &str) -> bool {
        self.shown.contains_key(account)
    }

    /// Removes the notification of the account.
    pub(super) fn withdraw(&mut self, account: &str) {
        if let Some(shown) = self.shown.remove(account) {
            let _ = shown.close.send(());
        }
    }

    /// Removes all notifications, and waits until they are gone.
    pub(super) async fn clear(&mut self) {
        self.questions.clear();
        for (_, shown) in std::mem::take(&mut self.shown) {
            let _ = shown.close.send(());
        }
        while self.posts.join_next().await.is_some() {}
    }

    /// Drops all notifications of a server that has left. Returns their accounts.
    pub(super) fn forget(&mut self) -> Vec<String> {
        std::mem::take(&mut self.shown).into_keys().collect()
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Handles news of a notification. Returns its notice, unless it was replaced.
    pub(super) fn take(&mut self, account: &str, number: u64, news: News) -> Option<Notice> {
        let shown = self.shown.get_mut(account).filter(|shown| shown.number == number)?;
        let notice = shown.notice.clone();
        match news {
            News::Shown(id) => shown.id = Some(id),
            News::Failed | News::Accepted | News::Later | News::Closed => drop(self.shown.remove(account)),
        }
        Some(notice)
    }
}

struct Post {
    account: String,
    number: u64,
    events: mpsc::Sender<Event>,
}

impl Post {
    async fn deliver(self, bus: Bus, notice: Notice, replaces: Option<u32>, closing: oneshot::Receiver<()>) {
        let shown =
            show(&bus, replaces, |server| write(&notice, server.actions(), server.has("body-markup")));
        match shown.await {
            Ok(showing) => self.await_response(showing, notice.is_brief(), closing).await,
            Err(reason) => {
                tracing::info!(account = self.account, reason, "cannot show notifications at the moment");
                self.tell(News::Failed).await;
            }
        }
    }

    /// Waits for the user's response, or until the notification is withdrawn.
    async fn await_response(&self, mut showing: Showing, is_brief: bool, closing: oneshot::Receiver<()>) {
        self.tell(News::Shown(showing.id)).await;
        let response = tokio::select! {
            response = showing.response() => response,
            closing = closing => return if closing.is_ok() { showing.close().await },
            () = sleep(BRIEF), if is_brief => {
                self.tell(News::Closed).await;
                return showing.close().await;
            }
        };
        let news = meaning(&response);
        // Not every server removes an answered notification: dunst does not.
        let answered = matches!(news, News::Accepted | News::Later);
        let closed = async {
            if answered {
                showing.close().await;
            }
        };
        tokio::join!(self.tell(news), closed);
    }

    async fn tell(&self, news: News) {
        let _ = self.events.send(Event::News(self.account.clone(), self.number, news)).await;
    }
}

fn meaning(response: &Response) -> News {
    match response {
        Response::Action(key) if key == LATER => News::Later,
        Response::Action(_) => News::Accepted,
        Response::Closed => News::Closed,
        // The notification has disappeared. It will be shown again by the next server.
        Response::ServerGone => News::Failed,
    }
}

fn write(notice: &Notice, actions: Actions, has_markup: bool) -> Notification {
    let mut notification = notification(&notice.summary, &notice.body(actions, has_markup));
    notification
        .icon(notice.icon())
        .urgency(notice.urgency())
        .hint(Hint::Category(notice.category().to_owned()))
        .timeout(if notice.is_brief() { Timeout::from(BRIEF) } else { Timeout::Never });
    if notice.is_brief() {
        notification.hint(Hint::Transient(true));
    }
    if actions == Actions::Unsupported {
        return notification;
    }
    if let Some(remedy) = notice.remedy {
        let (key, label) = remedy.action();
        if actions != Actions::OnlyButtons {
            notification.action(DEFAULT, label);
        }
        notification.action(key, label);
    }
    if notice.can_wait() {
        notification.action(LATER, "Later");
    }
    notification
}

/// Reports servers that appear and disappear, for as long as it is polled.
pub(super) async fn watch_servers(bus: Bus, events: mpsc::Sender<Event>) {
    loop {
        let connection = bus.wait().await;
        if let Err(error) = watch_servers_on(&connection, &events).await {
            tracing::warn!(%error, "imgurd cannot see when a notification server starts");
        }
        connection.closed().await;
        let _ = events.send(Event::Gone).await;
    }
}

async fn watch_servers_on(connection: &Connection, events: &mpsc::Sender<Event>) -> zbus::Result<()> {
    let bus = DBusProxy::new(connection).await?;
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;
    // A server may have appeared together with the bus.
    let _ = events.send(Event::Appeared).await;
    while let Some(change) = owners.next().await {
        let change = change.args()?;
        if change.old_owner().is_some() {
            let _ = events.send(Event::Gone).await;
        }
        if change.new_owner().is_some() {
            let _ = events.send(Event::Appeared).await;
        }
    }
    Ok(())
}
