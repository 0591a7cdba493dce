//! The open parts of sign-ins: questions that the user has not answered yet, and authorization codes that no client has redeemed
//! yet. They exist only in memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use imgurd_proto::Secret;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::mutex::lock;
use crate::random;

/// RFC 6749, section 4.1.2, recommends at most ten minutes. A program redeems its code immediately.
const CODE_LASTS: Duration = Duration::from_mins(1);
const QUESTION_LASTS: Duration = Duration::from_mins(10);
/// imgurd remembers a used code for this time, to notice a second use.
const USED_LASTS: Duration = Duration::from_mins(10);
/// More than people open, and less than would be a burden.
const MOST: usize = 64;

/// An authorization request that may be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) client: String,
    pub(super) account: String,
    /// What the gateway calls itself, as the request has it.
    pub(super) issuer: String,
    /// Where the answer goes.
    pub(super) redirect_uri: String,
    /// Whether the request named it; then the token request has to as well.
    pub(super) names_redirect_uri: bool,
    pub(super) state: Option<String>,
    pub(super) challenge: Option<String>,
    /// How often the gateway's clients had changed when it came.
    pub(super) changes: u64,
}

/// A request that the user is asked about.
#[derive(Debug)]
struct Question {
    request: Request,
    ends: Instant,
    /// Where the user's answer sent the browser.
    sent_to: Option<String>,
}

#[derive(Debug)]
struct Code {
    request: Request,
    ends: Instant,
    used: Used,
}

#[derive(Debug, PartialEq, Eq)]
enum Used {
    No,
    /// A client is redeeming it.
    Now,
    /// It brought the refresh tokens of this family.
    For(String),
    /// A client used it again while another request was redeeming it.
    Twice,
}

#[derive(Debug, Default)]
pub(super) struct Codes {
    questions: Mutex<HashMap<String, Question>>,
    codes: Mutex<HashMap<[u8; 32], Code>>,
}

/// What a code is worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redeemed {
    For(Request),
    /// It was used before, and brought the refresh tokens of this family.
    Again(Option<String>),
    Unknown,
}

impl Codes {
    /// Keeps a request until the user answers, and returns its id.
    pub(super) fn ask(&self, request: Request) -> String {
        let id = random::hex::<32>();
        let mut questions = lock(&self.questions);
        let now = Instant::now();
        questions.retain(|_, question| question.ends > now);
        if questions.len() >= MOST {
            // Answered ones first, then the oldest of the client that has asked most: a client that asks without end
            // displaces only its own.
            let asked = |client: &str| questions.values().filter(|it| it.request.client == client).count();
            let rank = |it: &Question| (it.sent_to.is_none(), Reverse(asked(&it.request.client)), it.ends);
            let first = questions.iter().min_by_key(|(_, question)| rank(question)).map(|(id, _)| id.clone());
            first.and_then(|first| questions.remove(&first));
        }
        questions.insert(id.clone(), Question { request, ends: now + QUESTION_LASTS, sent_to: None });
        id
    }

    /// The request that the user answers, and where the first answer sent the browser: a second click repeats that.
    pub(super) fn answered(&self, id: &str) -> Option<(Request, Option<String>)> {
        let questions = lock(&self.questions);
        let question = questions.get(id).filter(|question| question.ends > Instant::now())?;
        Some((question.request.clone(), question.sent_to.clone()))
    }

    /// Notes where the user's answer sends the browser.
    pub(super) fn note_answer(&self, id: &str, sent_to: &str) {
        if let Some(question) = lock(&self.questions).get_mut(id) {
            question.sent_to = Some(sent_to.to_owned());
            question.ends = Instant::now() + CODE_LASTS;
        }
    }

    /// Makes a code for a request.
    pub(super) fn issue(&self, request: Request) -> Secret {
        let code = random::hex::<32>();
        let mut codes = lock(&self.codes);
        let now = Instant::now();
        codes.retain(|_, code| code.ends > now);
        // Used codes go first, since they are kept only to notice a second use.
        let age = |code: &Code| (code.used == Used::No, code.ends);
        if codes.len() >= MOST
            && let Some(oldest) = codes.iter().min_by_key(|(_, code)| age(code)).map(|(hash, _)| *hash)
        {
            codes.remove(&oldest);
        }
        codes.insert(hash(&code), Code { request, ends: now + CODE_LASTS, used: Used::No });
        code.into()
    }

    /// Uses a code of this client. A code of another client stays valid.
    pub(super) fn redeem(&self, client: &str, code: &str) -> Redeemed {
        let mut codes = lock(&self.codes);
        match codes.get_mut(&hash(code)).filter(|known| known.request.client == client) {
            Some(known) if known.ends <= Instant::now() => Redeemed::Unknown,
            Some(Code { used: Used::For(family), .. }) => Redeemed::Again(Some(family.clone())),
            Some(known) if known.used == Used::No => {
                known.used = Used::Now;
                known.ends = Instant::now() + USED_LASTS;
                Redeemed::For(known.request.clone())
            }
            Some(known) => {
                known.used = Used::Twice;
                Redeemed::Again(None)
            }
            None => Redeemed::Unknown,
        }
    }

    /// Notes which refresh tokens were given for a code. False if it was used again meanwhile: then they are invalid.
    pub(super) fn note_use(&self, code: &str, family: &str) -> bool {
        let mut codes = lock(&self.codes);
        let Some(code) = codes.get_mut(&hash(code)) else { return true };
        let is_first = code.used == Used::Now;
        if is_first {
            code.used = Used::For(family.to_owned());
        }
        is_first
    }

    /// Makes a code valid again that brought nothing.
    pub(super) fn release(&self, code: &str) {
        if let Some(code) = lock(&self.codes).get_mut(&hash(code)).filter(|code| code.used == Used::Now) {
            code.used = Used::No;
            code.ends = Instant::now() + CODE_LASTS;
        }
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client: &str) -> Request {
        Request {
            client: client.to_owned(),
            account: "me".to_owned(),
            issuer: "http://127.0.0.1:8918".to_owned(),
            redirect_uri: "https://a.example/".to_owned(),
            names_redirect_uri: true,
            state: None,
            challenge: None,
            changes: 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_is_good_once_for_its_client_and_a_minute() {
        let codes = Codes::default();
        let code = codes.issue(request("a"));
        assert_eq!(codes.redeem("b", code.expose()), Redeemed::Unknown);
        assert_eq!(codes.redeem("a", code.expose()), Redeemed::For(request("a")));
        codes.release(code.expose());
        assert_eq!(
            codes.redeem("a", code.expose()),
            Redeemed::For(request("a")),
            "a released code can be redeemed again"
        );
        assert!(codes.note_use(code.expose(), "family"));
        assert_eq!(codes.redeem("a", code.expose()), Redeemed::Again(Some("family".to_owned())));
        let twice = codes.issue(request("a"));
        codes.redeem("a", twice.expose());
        assert_eq!(codes.redeem("a", twice.expose()), Redeemed::Again(None));
        assert!(!codes.note_use(twice.expose(), "family"), "a code that was used twice records no family");
        let late = codes.issue(request("a"));
        tokio::time::advance(CODE_LASTS).await;
        assert_eq!(codes.redeem("a", late.expose()), Redeemed::Unknown);
        assert_eq!(codes.redeem("a", "guess"), Redeemed::Unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_code_is_good_however_many_were_used_just_before() {
        let codes = Codes::default();
        let waiting = codes.issue(request("a"));
        for _ in 0..2 * MOST {
            let code = codes.issue(request("a"));
            assert_eq!(codes.redeem("a", code.expose()), Redeemed::For(request("a")));
        }
        assert_eq!(codes.redeem("a", waiting.expose()), Redeemed::For(request("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_answered_once_and_the_oldest_give_way() {
        let codes = Codes::default();
        let first = codes.ask(request("a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = codes.ask(request("b"));
        assert_eq!(codes.answered(&second), Some((request("b"), None)));
        codes.note_answer(&second, "https://a.example/?code=1");
        let again = codes.answered(&second);
        assert_eq!(again, Some((request("b"), Some("https://a.example/?code=1".to_owned()))));
        let oldest = codes.ask(request("c"));
        tokio::time::advance(Duration::from_secs(1)).await;
        (0..2 * MOST).for_each(|_| drop(codes.ask(request("c"))));
        assert_eq!(
            codes.answered(&first),
            Some((request("a"), None)),
            "a question of another client is kept"
        );
        assert_eq!(codes.answered(&second), None, "an answered question is dropped first");
        assert_eq!(codes.answered(&oldest), None);
        let late = codes.ask(request("a"));
        tokio::time::advance(QUESTION_LASTS).await;
        assert_eq!(codes.answered(&late), None);
    }
}
