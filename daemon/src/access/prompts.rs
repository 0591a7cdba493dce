//! Asks the user whether an application may use an account. All calls that wait for the answer share one question. If the user
//! does not answer, the pauses between questions grow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::mutex::lock;

/// How many questions may be open at the same time, for all applications.
const QUEUE: usize = 16;
/// How long imgurd does not ask about an application again after the first unanswered question, the second one in a
/// row, and so on. Without pauses, a program that asks again immediately could fill the screen until the user gives in.
const PAUSES: [Duration; 5] = [
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];
/// A caller that waits for less cannot get an answer, and could make notifications flicker on the screen.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Why imgurd cannot ask.
const NOT_WAITING: &str = "the caller does not wait for an answer";
const OTHER_ACCOUNT: &str = "another question about this program is still open";
const UNANSWERED: &str = "imgurd pauses after a question that you did not answer";
const TOO_MANY: &str = "too many questions are open";
const NO_BUS: &str = "imgurd runs without D-Bus";

/// A question for the user.
#[derive(Debug)]
pub struct Question {
    /// The application, as the user reads it.
    pub application: String,
    /// A sentence about it.
    pub about: &'static str,
    /// The account that it wants to use.
    pub account: String,
    /// What the user can do if there is no button: the rest of a sentence.
    pub instruction: String,
    /// Whether an answer may be remembered.
    pub lasts: bool,
    /// Receives the answer. Dropping it means that there was no answer. It is closed when no caller waits any more.
    pub answer: oneshot::Sender<Decision>,
}

/// The answer of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allow the calls that wait now.
    Once,
    /// Allow the calls that wait now, and all later ones.
    Always,
    /// Deny all calls.
    Never,
    /// No answer: the notification had no button, but said how to allow it.
    Told,
    /// No answer: imgurd could not ask, for this reason.
    Unasked(String),
}

/// The questions that the desktop shows.
pub type Questions = mpsc::Receiver<Question>;

/// Sends questions to the desktop.
#[derive(Clone, Debug)]
pub struct Prompts {
    questions: mpsc::Sender<Question>,
    asked: Arc<Mutex<LastQuestions>>,
}

type Key = (String, String);

/// How a question ended. Only the callers that wait for it hold one.
type OpenQuestion = watch::Receiver<Option<Ending>>;

/// The answer, if the user gave one.
type Ending = Option<Decision>;

type LastQuestions = HashMap<String, Last>;

/// The last question about an application. It counts as unanswered as soon as it is asked, so that callers that have left
/// cannot ask another one.
#[derive(Debug)]
struct Last {
    account: String,
    pending: Weak<OpenQuestion>,
    unanswered: usize,
    next: Instant,
}

impl Last {
    /// The question, while a caller waits for its answer.
    fn open(&self) -> Option<Arc<OpenQuestion>> {
        self.pending.upgrade().filter(|pending| pending.borrow().is_none())
    }

    fn pause(&self) -> Duration {
        PAUSES[self.unanswered.saturating_sub(1).min(PAUSES.len() - 1)]
    }

    /// Records how the question ended. Returns whether it counts as unanswered.
    fn end(&mut self, ending: Option<&Decision>, lasts: bool) -> bool {
        self.next = Instant::now();
        match ending {
            Some(Decision::Once | Decision::Always) => false,
            Some(Decision::Never) if lasts => false,
            Some(Decision::Unasked(_)) => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.unanswered > 0
            }
            // "Deny" is not saved for an unidentified program, which would ask again immediately.
            Some(Decision::Never | Decision::Told) | None => {
                self.next += self.pause();
                true
            }
        }
    }
}

impl Prompts {
    /// Creates a sender of questions and their receiver.
    #[must_use]
    pub fn new() -> (Self, Questions) {
        let (questions, inbox) = mpsc::channel(QUEUE);
        (Self { questions, asked: Arc::default() }, inbox)
    }

    /// Asks this question and waits for the answer. `remember` gets the answer once, before the callers do.
    pub(super) async fn ask<R>(
        &self,
        key: Key,
        question: impl FnOnce(oneshot::Sender<Decision>) -> Question,
        wait: Duration,
        remember: impl FnOnce(Decision) -> R + Send + 'static,
    ) -> Ending
    where
        R: Future<Output = ()> + Send + 'static,
    {
        if wait < SHORTEST_WAIT {
            return Some(Decision::Unasked(NOT_WAITING.to_owned()));
        }
        let pending = match self.find_or_ask(key, question, remember) {
            Ok(pending) => pending,
            Err(why) => return Some(Decision::Unasked(why.to_owned())),
        };
        let mut ending = OpenQuestion::clone(&pending);
        let ended = timeout(wait, ending.wait_for(Option::is_some)).await;
        ended.ok().and_then(Result::ok).and_then(|ending| ending.clone()).flatten()
    }

    /// The open question, or a new one. If imgurd must not ask, the reason.
    fn find_or_ask<R>(
        &self,
        (application, account): Key,
        question: impl FnOnce(oneshot::Sender<Decision>) -> Question,
        remember: impl FnOnce(Decision) -> R + Send + 'static,
    ) -> Result<Arc<OpenQuestion>, &'static str>
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let now = Instant::now();
        let mut asked = lock(&self.asked);
        asked.retain(|_, last| last.open().is_some() || now < last.next + PAUSES[PAUSES.len() - 1]);
        let last = asked.get(&application);
        match last.map(|last| (last, last.open())) {
            Some((last, Some(pending))) if last.account == account => return Ok(pending),
            Some((_, Some(_))) => return Err(OTHER_ACCOUNT),
            Some((last, None)) if now < last.next => return Err(UNANSWERED),
            _ => {}
        }
        let unanswered = last.map_or(0, |last| last.unanswered) + 1;
        if asked.values().filter(|last| last.open().is_some()).count() >= QUEUE {
            return Err(TOO_MANY);
        }
        let (answer, answered) = oneshot::channel();
        let question = question(answer);
        let lasts = question.lasts;
        self.questions.try_send(question).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => TOO_MANY,
            mpsc::error::TrySendError::Closed(_) => NO_BUS,
        })?;
        let (waiting, pending) = watch::channel(None);
        let pending = Arc::new(pending);
        let mut last = Last { account, pending: Arc::downgrade(&pending), unanswered, next: now };
        last.next += last.pause();
        asked.insert(application.clone(), last);
        tokio::spawn(self.clone().settle(application, lasts, answered, waiting, remember));
        Ok(pending)
    }

    /// Sends the answer to all callers that wait for it. Ends when the last of them gives up.
    async fn settle<R: Future<Output = ()>>(
        self,
        application: String,
        lasts: bool,
        answered: oneshot::Receiver<Decision>,
        waiting: watch::Sender<Option<Ending>>,
        remember: impl FnOnce(Decision) -> R,
    ) {
        let ending = tokio::select! {
            answer = answered => answer.ok(),
            () = waiting.closed() => return self.end(&application, None, lasts),
        };
        if let Some(decision) = &ending {
            remember(decision.clone()).await;
        }
        self.end(&application, ending.as_ref(), lasts);
        let _ = waiting.send(Some(ending));
    }

    fn end(&self, application: &str, ending: Option<&Decision>, lasts: bool) {
        let mut asked = lock(&self.asked);
        if asked.get_mut(application).is_some_and(|last| !last.end(ending, lasts)) {
            asked.remove(application);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    async fn ask(prompts: &Prompts, wait: Duration, memory: &Arc<Mutex<Vec<Decision>>>) -> Ending {
        ask_of(prompts, ("org.example.App", "me"), true, wait, memory).await
    }

    async fn ask_of(
        prompts: &Prompts,
        (application, account): (&str, &str),
        lasts: bool,
        wait: Duration,
        memory: &Arc<Mutex<Vec<Decision>>>,
    ) -> Ending {
        let question = |answer| Question {
            application: application.to_owned(),
            about: "",
            account: account.to_owned(),
            instruction: String::new(),
            lasts,
            answer,
        };
        let memory = Arc::clone(memory);
        let remember = |answer| async move { memory.lock().unwrap().push(answer) };
        prompts.ask((application.to_owned(), account.to_owned()), question, wait, remember).await
    }

    fn is_unasked(ending: &Ending, why: &str) -> bool {
        matches!(ending, Some(Decision::Unasked(reason)) if reason.contains(why))
    }

    /// Asks a question that the user answers with `says`, or does not answer.
    async fn put(prompts: &Prompts, questions: &mut Questions, lasts: bool, says: Option<Decision>) {
        let memory = Arc::default();
        let asked = ask_of(prompts, ("org.example.App", "me"), lasts, WAIT, &memory);
        let answering = async {
            let question = questions.recv().await.unwrap();
            if let Some(answer) = says.clone() {
                question.answer.send(answer).unwrap();
            }
        };
        assert_eq!(tokio::join!(asked, answering).0, says);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_between_unanswered_questions_grow() {
        let (prompts, mut questions) = Prompts::new();
        let memory = Arc::default();
        for minutes in [1, 10, 60, 6 * 60, 24 * 60, 24 * 60] {
            put(&prompts, &mut questions, true, None).await;
            tokio::time::advance(Duration::from_secs(minutes * 60 - 1)).await;
            for account in ["me", "you"] {
                let early = ask_of(&prompts, ("org.example.App", account), true, WAIT, &memory).await;
                assert!(is_unasked(&early, UNANSWERED), "{minutes} min: {early:?}");
            }
            assert!(questions.try_recv().is_err());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_the_pauses_but_an_unsaved_deny_does_not() {
        let (prompts, mut questions) = Prompts::new();
        let memory = Arc::default();
        put(&prompts, &mut questions, true, None).await;
        tokio::time::advance(PAUSES[0]).await;
        for answer in [Decision::Once, Decision::Never, Decision::Unasked(String::new())] {
            put(&prompts, &mut questions, true, Some(answer)).await;
        }
        put(&prompts, &mut questions, true, None).await;
        tokio::time::advance(PAUSES[0]).await;
        put(&prompts, &mut questions, false, Some(Decision::Never)).await;
        tokio::time::advance(PAUSES[0]).await;
        let early = ask(&prompts, WAIT, &memory).await;
        assert!(is_unasked(&early, UNANSWERED), "the second pause is longer than the first: {early:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_leaves_uses_up_its_applications_question() {
        let (prompts, mut questions) = Prompts::new();
        let memory = Arc::default();
        let second = Duration::from_secs(1);
        assert_eq!(ask(&prompts, second, &memory).await, None);
        let again = ask(&prompts, second, &memory).await;
        assert!(is_unasked(&again, UNANSWERED), "{again:?}");
        assert_eq!(ask_of(&prompts, ("org.example.Other", "me"), true, second, &memory).await, None);
        assert!(
            questions.try_recv().is_ok() && questions.try_recv().is_ok() && questions.try_recv().is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn limits_open_questions_per_application_and_in_total() {
        let (prompts, _questions) = Prompts::new();
        let memory = Arc::default();
        let names: Vec<_> = (0..=QUEUE).map(|number| format!("org.example.App{number}")).collect();
        let asked = join_all(names.iter().map(|name| ask_of(&prompts, (name, "me"), true, WAIT, &memory)));
        let other = ask_of(&prompts, ("org.example.App0", "you"), true, WAIT, &memory);
        let (asked, other) = tokio::join!(asked, other);
        assert!(is_unasked(&other, OTHER_ACCOUNT), "{other:?}");
        assert!(is_unasked(&asked[QUEUE], TOO_MANY), "{asked:?}");
        assert!(asked[..QUEUE].iter().all(Option::is_none), "{asked:?}");
    }

    #[tokio::test]
    async fn a_hundred_calls_share_one_question() {
        let (prompts, mut questions) = Prompts::new();
        let memory = Arc::default();
        let calls = join_all((0..100).map(|_| ask(&prompts, WAIT, &memory)));
        let answering = async {
            questions.recv().await.unwrap().answer.send(Decision::Always).unwrap();
        };
        let (answers, ()) = tokio::join!(calls, answering);
        assert!(answers.iter().all(|answer| *answer == Some(Decision::Always)));
        assert_eq!(*memory.lock().unwrap(), [Decision::Always]);
        assert!(questions.try_recv().is_err());
        // That answer was for the waiting callers: imgurd asks about the next call again.
        let (again, question) = tokio::join!(ask(&prompts, WAIT, &memory), async {
            drop(questions.recv().await.unwrap());
        });
        assert_eq!((again, question), (None, ()));
        assert_eq!(memory.lock().unwrap().len(), 1, "a question without an answer is not remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn withdraws_a_question_when_no_caller_waits_for_it() {
        let (prompts, mut questions) = Prompts::new();
        let memory = Arc::default();
        let short = Duration::from_secs(5);
        let (first, second, mut question) =
            tokio::join!(ask(&prompts, short, &memory), ask(&prompts, 2 * short, &memory), async {
                let mut question = questions.recv().await.unwrap();
                let withdrawn = timeout(Duration::from_secs(9), question.answer.closed());
                assert!(withdrawn.await.is_err(), "the question stays open while one caller waits");
                question
            });
        assert_eq!((first, second), (None, None));
        question.answer.closed().await;
    }

    #[tokio::test]
    async fn says_why_it_cannot_ask() {
        let (prompts, questions) = Prompts::new();
        let memory = Arc::default();
        let without_wait = ask(&prompts, Duration::ZERO, &memory).await;
        assert!(matches!(without_wait, Some(Decision::Unasked(_))), "{without_wait:?}");
        drop(questions);
        let unasked = ask(&prompts, WAIT, &memory).await;
        assert!(matches!(&unasked, Some(Decision::Unasked(why)) if why.contains("D-Bus")), "{unasked:?}");
        assert!(memory.lock().unwrap().is_empty());
    }
}
