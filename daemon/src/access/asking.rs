//! Asking the person whether an application may use an account: once, however many calls wait for the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// Questions that may wait to be shown.
const QUEUE: usize = 16;
/// Who waits for less cannot be answered, and could have something flicker on the screen.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// What the person is asked.
#[derive(Debug)]
pub struct Question {
    /// The application, as the person is told of it.
    pub application: String,
    /// What is to be said of it beside its name; a sentence.
    pub about: &'static str,
    /// The account that it wants to use.
    pub account: String,
    /// Whether an answer may be remembered.
    pub lasts: bool,
    /// Where the answer goes. Dropped, it says that there was none; closed, that nobody waits for it any more.
    pub answer: oneshot::Sender<Answer>,
}

/// What the person says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Those calls that wait.
    Once,
    /// Those, and all that come.
    Always,
    /// None, now and later.
    Never,
    /// Nothing: there is nobody to ask, for this reason.
    Unasked(String),
}

/// The questions that the desktop has to put.
pub type Questions = mpsc::Receiver<Question>;

/// Where questions are asked.
#[derive(Clone, Debug)]
pub struct Asking {
    questions: mpsc::Sender<Question>,
    pending: Arc<Mutex<HashMap<Key, Weak<Pending>>>>,
}

/// An application and an account.
type Key = (String, String);

/// How a question ended; kept by those who wait for it, and by nobody else.
type Pending = watch::Receiver<Option<Ending>>;

/// An answer; none where the person gave none.
type Ending = Option<Answer>;

impl Asking {
    /// A desk for questions, and what comes from it.
    #[must_use]
    pub fn new() -> (Self, Questions) {
        let (questions, inbox) = mpsc::channel(QUEUE);
        (Self { questions, pending: Arc::default() }, inbox)
    }

    /// The person's answer to this question, within `wait`; none where there was none. `remember` is told of it, once,
    /// before those who wait for it are.
    pub(super) async fn ask<R>(
        &self,
        key: Key,
        question: impl FnOnce(oneshot::Sender<Answer>) -> Question,
        wait: Duration,
        remember: impl FnOnce(Answer) -> R + Send + 'static,
    ) -> Ending
    where
        R: Future<Output = ()> + Send + 'static,
    {
        if wait < SHORTEST_WAIT {
            return Some(Answer::Unasked("it does not wait for an answer".to_owned()));
        }
        let pending = self.pending(key, question, remember);
        let mut ending = Pending::clone(&pending);
        let ended = timeout(wait, ending.wait_for(Option::is_some)).await;
        ended.ok().and_then(Result::ok).and_then(|ending| ending.clone()).flatten()
    }

    fn pending<R>(
        &self,
        key: Key,
        question: impl FnOnce(oneshot::Sender<Answer>) -> Question,
        remember: impl FnOnce(Answer) -> R + Send + 'static,
    ) -> Arc<Pending>
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&key).and_then(Weak::upgrade);
        if let Some(pending) = known.filter(|pending| pending.borrow().is_none()) {
            return pending;
        }
        all.retain(|_, pending| pending.strong_count() > 0);
        let (answer, answered) = oneshot::channel();
        let put = self.questions.try_send(question(answer)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => "too many questions are open",
            mpsc::error::TrySendError::Closed(_) => "imgurd runs without D-Bus",
        });
        let (settle, pending) = watch::channel(None);
        let pending = Arc::new(pending);
        all.insert(key, Arc::downgrade(&pending));
        match put {
            Ok(()) => drop(tokio::spawn(settled(answered, settle, remember))),
            Err(why) => drop(settle.send(Some(Some(Answer::Unasked(why.to_owned()))))),
        }
        pending
    }
}

/// Tells all who wait, unless they have all given up.
async fn settled<R: Future<Output = ()>>(
    answered: oneshot::Receiver<Answer>,
    settle: watch::Sender<Option<Ending>>,
    remember: impl FnOnce(Answer) -> R,
) {
    let ending = tokio::select! {
        answer = answered => answer.ok(),
        () = settle.closed() => return,
    };
    if let Some(answer) = &ending {
        remember(answer.clone()).await;
    }
    let _ = settle.send(Some(ending));
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    async fn ask(asking: &Asking, wait: Duration, memory: &Arc<Mutex<Vec<Answer>>>) -> Ending {
        let question = |answer| Question {
            application: "org.example.App".to_owned(),
            about: "",
            account: "me".to_owned(),
            lasts: true,
            answer,
        };
        let memory = Arc::clone(memory);
        let remember = |answer| async move { memory.lock().unwrap().push(answer) };
        asking.ask(("org.example.App".to_owned(), "me".to_owned()), question, wait, remember).await
    }

    #[tokio::test]
    async fn a_hundred_calls_are_one_question_and_one_answer() {
        let (asking, mut questions) = Asking::new();
        let memory = Arc::default();
        let calls = join_all((0..100).map(|_| ask(&asking, WAIT, &memory)));
        let answering = async {
            questions.recv().await.unwrap().answer.send(Answer::Always).unwrap();
        };
        let (answers, ()) = tokio::join!(calls, answering);
        assert!(answers.iter().all(|answer| *answer == Some(Answer::Always)));
        assert_eq!(*memory.lock().unwrap(), [Answer::Always]);
        assert!(questions.try_recv().is_err());
        // That was for those who waited: the next is asked about anew.
        let (again, question) = tokio::join!(ask(&asking, WAIT, &memory), async {
            drop(questions.recv().await.unwrap());
        });
        assert_eq!((again, question), (None, ()));
        assert_eq!(memory.lock().unwrap().len(), 1, "no answer is not remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_withdrawn_when_the_last_has_given_up() {
        let (asking, mut questions) = Asking::new();
        let memory = Arc::default();
        let short = Duration::from_secs(5);
        let (first, second, mut question) =
            tokio::join!(ask(&asking, short, &memory), ask(&asking, 2 * short, &memory), async {
                let mut question = questions.recv().await.unwrap();
                let withdrawn = timeout(Duration::from_secs(9), question.answer.closed());
                assert!(withdrawn.await.is_err(), "one waits yet");
                question
            });
        assert_eq!((first, second), (None, None));
        question.answer.closed().await;
    }

    #[tokio::test]
    async fn with_nobody_to_ask_it_says_why() {
        let (asking, questions) = Asking::new();
        let memory = Arc::default();
        let hasty = ask(&asking, Duration::ZERO, &memory).await;
        assert!(matches!(hasty, Some(Answer::Unasked(_))), "{hasty:?}");
        drop(questions);
        let unasked = ask(&asking, WAIT, &memory).await;
        assert!(matches!(&unasked, Some(Answer::Unasked(why)) if why.contains("D-Bus")), "{unasked:?}");
        assert!(memory.lock().unwrap().is_empty());
    }
}
