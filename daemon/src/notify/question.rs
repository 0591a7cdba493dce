//! Asking whether an application may use an account. The question stays for as long as somebody waits for its answer.

use notify_rust::{Hint, Notification, Timeout, Urgency};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::desktop::{PATIENCE, close};
use super::notice::escaped;
use super::server::{Response, Server, Shown};
use crate::access::{Answer, Question};
use crate::bus::Bus;

const ONCE: &str = "allow-once";
const ALWAYS: &str = "allow-always";
const DENY: &str = "deny";

/// Puts the question, and takes it away when it is answered, when nobody waits any more, or when `closing` ends.
pub(super) async fn put(bus: Bus, question: Question, closing: oneshot::Receiver<()>) {
    let shown = timeout(PATIENCE, show(&bus, &question)).await;
    let mut answer = question.answer;
    let mut shown = match shown.unwrap_or_else(|_| Err("the notification server does not answer".to_owned()))
    {
        Ok(shown) => shown,
        Err(reason) => {
            tracing::info!(reason, "nobody can be asked just now");
            let _ = answer.send(Answer::Unasked(reason));
            return;
        }
    };
    let said = tokio::select! {
        response = shown.response() => meaning(&response),
        () = answer.closed() => None,
        _ = closing => None,
    };
    if let Some(said) = said {
        let _ = answer.send(said);
    } else {
        drop(answer);
    }
    close(shown).await;
}

/// A click beside the buttons is no answer.
fn meaning(response: &Response) -> Option<Answer> {
    match response {
        Response::Action(key) => match key.as_str() {
            ONCE => Some(Answer::Once),
            ALWAYS => Some(Answer::Always),
            DENY => Some(Answer::Never),
            _ => None,
        },
        Response::Closed => None,
        Response::ServerGone => Some(Answer::Unasked("the notification server has ended".to_owned())),
    }
}

async fn show(bus: &Bus, question: &Question) -> Result<Shown, String> {
    let server = Server::find(bus).await.map_err(|_| "there is no notification server".to_owned())?;
    if !server.has("actions") {
        return Err("the notification server has no buttons".to_owned());
    }
    let notification = written(question, server.has("body-markup"));
    let shown = server.show(&notification, None).await;
    shown.map_err(|error| format!("the notification server said: {error}"))
}

fn written(question: &Question, has_markup: bool) -> Notification {
    let Question { application, about, account, lasts, .. } = question;
    let body = format!(
        "{about} It would be handed the access token, and could do with the account what that allows."
    );
    let mut notification = Notification::new();
    notification
        .appname("imgurd")
        .summary(&format!("{application} wants to use your Imgur account {account}"))
        .body(&if has_markup { escaped(&body) } else { body })
        .icon("dialog-password")
        // Whoever calls waits for some seconds.
        .urgency(Urgency::Critical)
        .hint(Hint::Category("x-imgurd.permit".to_owned()))
        .hint(Hint::DesktopEntry("imgurd".to_owned()))
        .timeout(Timeout::Never)
        .action(ONCE, "Allow once");
    if *lasts {
        notification.action(ALWAYS, "Always");
    }
    notification.action(DENY, "Deny");
    notification
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(lasts: bool) -> Question {
        let (answer, _) = oneshot::channel();
        let (application, account) = ("org.example.App".to_owned(), "me".to_owned());
        Question { application, about: "It is a program in a sandbox.", account, lasts, answer }
    }

    #[test]
    fn says_who_wants_what_and_offers_to_remember_only_what_can_be() {
        let lasting = written(&question(true), true);
        assert_eq!(lasting.summary, "org.example.App wants to use your Imgur account me");
        assert_eq!(lasting.actions, [ONCE, "Allow once", ALWAYS, "Always", DENY, "Deny"]);
        assert_eq!(written(&question(false), true).actions, [ONCE, "Allow once", DENY, "Deny"]);
    }

    #[test]
    fn nothing_but_a_button_is_an_answer() {
        let pressed = |key: &str| meaning(&Response::Action(key.to_owned()));
        assert_eq!(
            [ONCE, ALWAYS, DENY, "default"].map(pressed),
            [Some(Answer::Once), Some(Answer::Always), Some(Answer::Never), None]
        );
        assert_eq!(meaning(&Response::Closed), None);
    }
}
