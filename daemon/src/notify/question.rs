//! Asking whether an application may use an account. The question stays for as long as somebody waits for its answer.

use notify_rust::{Hint, Notification, Timeout, Urgency};
use tokio::sync::oneshot;

use super::server::{Response, escape, notification, show};
use crate::access::{Decision, Question};
use crate::bus::Bus;

const ONCE: &str = "allow-once";
const ALWAYS: &str = "allow-always";
const DENY: &str = "deny";

/// Puts the question, and takes it away when it is answered, when nobody waits any more, or when `closing` ends.
pub(super) async fn put(bus: Bus, question: Question, closing: oneshot::Receiver<()>) {
    let shown = show(&bus, None, |server| {
        if !server.has("actions") {
            return Err("the notification server has no buttons".to_owned());
        }
        Ok(write(&question, server.has("body-markup")))
    });
    let shown = shown.await;
    let mut answer = question.answer;
    let mut shown = match shown {
        Ok(shown) => shown,
        Err(reason) => {
            tracing::info!(reason, "nobody can be asked just now");
            let _ = answer.send(Decision::Unasked(reason));
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
    shown.close().await;
}

/// A click beside the buttons is no answer.
fn meaning(response: &Response) -> Option<Decision> {
    match response {
        Response::Action(key) => match key.as_str() {
            ONCE => Some(Decision::Once),
            ALWAYS => Some(Decision::Always),
            DENY => Some(Decision::Never),
            _ => None,
        },
        Response::Closed => None,
        Response::ServerGone => Some(Decision::Unasked("the notification server has ended".to_owned())),
    }
}

fn write(question: &Question, has_markup: bool) -> Notification {
    let Question { application, about, account, lasts, .. } = question;
    let body = format!(
        "{about} It would be handed the access token, and could do with the account what that allows."
    );
    let summary = format!("{application} wants to use your Imgur account {account}");
    let mut notification = notification(&summary, &if has_markup { escape(&body) } else { body });
    notification
        .icon("dialog-password")
        // The caller waits for some seconds only.
        .urgency(Urgency::Critical)
        .hint(Hint::Category("x-imgurd.permit".to_owned()))
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
        let lasting = write(&question(true), true);
        assert_eq!(lasting.summary, "org.example.App wants to use your Imgur account me");
        assert_eq!(lasting.actions, [ONCE, "Allow once", ALWAYS, "Always", DENY, "Deny"]);
        assert_eq!(write(&question(false), true).actions, [ONCE, "Allow once", DENY, "Deny"]);
    }

    #[test]
    fn nothing_but_a_button_is_an_answer() {
        let pressed = |key: &str| meaning(&Response::Action(key.to_owned()));
        assert_eq!(
            [ONCE, ALWAYS, DENY, "default"].map(pressed),
            [Some(Decision::Once), Some(Decision::Always), Some(Decision::Never), None]
        );
        assert_eq!(meaning(&Response::Closed), None);
    }
}
