//! The question whether an application may use an account. It stays on the screen while a caller waits for the answer.

use notify_rust::{Hint, Notification, Timeout, Urgency};
use tokio::sync::oneshot;

use super::notice::{Subject, sentence};
use super::server::{Actions, Response, escape, notification, show};
use crate::access::{Decision, Question};
use crate::bus::Bus;

const ONCE: &str = "allow-once";
const ALWAYS: &str = "allow-always";
const DENY: &str = "deny";

/// Shows the question, and removes it when it is answered, when no caller waits any more, or when `closing` ends. A
/// server without actions shows the command that answers it.
pub(super) async fn put(bus: Bus, question: Question, subject: Subject, closing: oneshot::Receiver<()>) {
    let mut actions = Actions::Unsupported;
    let shown = show(&bus, None, |server| {
        actions = server.actions();
        write(&question, &subject, actions, server.has("body-markup"))
    });
    let shown = shown.await;
    let mut answer = question.answer;
    let mut shown = match shown {
        Ok(shown) => shown,
        Err(reason) => {
            tracing::info!(reason, "cannot ask the user at the moment");
            let _ = answer.send(Decision::Unasked(reason));
            return;
        }
    };
    if actions == Actions::Unsupported {
        // The notification stays, but no caller waits for an answer to it.
        let _ = answer.send(Decision::Told);
        return;
    }
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

/// The decision for a response, if it is one. A click beside the buttons is not.
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

fn write(question: &Question, subject: &Subject, actions: Actions, has_markup: bool) -> Notification {
    let Question { application, about, instruction, lasts, .. } = question;
    let is_pressed = matches!(actions, Actions::Buttons | Actions::OnlyButtons);
    let instruction = if is_pressed { String::new() } else { format!("{} ", sentence(instruction)) };
    let body = format!(
        "{instruction}{application} asks for the access token of the {subject}. With it, the program can use that \
         account. {about}"
    );
    let body = if has_markup { escape(&body) } else { body };
    let mut notification = notification(&format!("imgurd: allow {} access?", subject.service), &body);
    notification.icon("dialog-password").hint(Hint::Category("x-imgurd.permit".to_owned()));
    if actions == Actions::Unsupported {
        return notification;
    }
    // The caller waits only for some seconds.
    notification.urgency(Urgency::Critical).timeout(Timeout::Never).action(ONCE, "Allow once");
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
        let instruction = "allow it with `imgurctl permit allow org.example.App me`".to_owned();
        Question { application, about: "It is a sandboxed app.", account, instruction, lasts, answer }
    }

    fn put(question: &Question, actions: Actions) -> Notification {
        let subject = Subject { service: "Imgur".to_owned(), account: "me".to_owned() };
        write(question, &subject, actions, true)
    }

    #[test]
    fn the_question_offers_always_only_if_it_can_be_remembered() {
        let lasting = put(&question(true), Actions::Buttons);
        assert_eq!(lasting.summary, "imgurd: allow Imgur access?");
        assert!(
            lasting.body.starts_with("org.example.App asks for the access token of the Imgur account me")
        );
        assert_eq!(lasting.actions, [ONCE, "Allow once", ALWAYS, "Always", DENY, "Deny"]);
        assert_eq!(put(&question(false), Actions::Buttons).actions, [ONCE, "Allow once", DENY, "Deny"]);
    }

    #[test]
    fn begins_with_the_command_if_there_may_be_no_buttons() {
        for actions in [Actions::Hidden, Actions::Unsupported] {
            let body = put(&question(true), actions).body;
            assert!(body.starts_with("Allow it with `imgurctl permit allow org.example.App me`. "), "{body}");
        }
    }

    #[test]
    fn only_a_button_counts_as_an_answer() {
        let pressed = |key: &str| meaning(&Response::Action(key.to_owned()));
        assert_eq!(
            [ONCE, ALWAYS, DENY, "default"].map(pressed),
            [Some(Decision::Once), Some(Decision::Always), Some(Decision::Never), None]
        );
        assert_eq!(meaning(&Response::Closed), None);
    }
}
