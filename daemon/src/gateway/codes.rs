//! The open parts of sign-ins: questions that the user has not answered yet, and authorization codes that no client has redeemed
//! yet. They exist only in memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imgurd_proto::Secret;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

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

#[derive(Debug)]
struct Code {
    request: Request,
    ends: Instant,
    /// The refresh tokens that were given for it, once it has been used.
    used_for: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Codes {
    questions: Mutex<HashMap<String, (Request, Instant)>>,
    codes: Mutex<HashMap<[u8; 32], Code>>,
}

/// The result of redeeming a code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redeemed {
    For(Request),
    /// It was used before, and these refresh tokens were given for it.
    Again(Option<String>),
    Unknown,
}

impl Codes {
    /// Keeps a request until the user answers, and returns its id.
    pub(super) fn ask(&self, request: Request) -> String {
        let id = random::hex::<32>();
        let mut questions = lock(&self.questions);
        let now = Instant::now();
        questions.retain(|_, (_, ends)| *ends > now);
        if questions.len() >= MOST {
            // The oldest of the client that has asked most: one that asks without end displaces its own alone.
            let asked = |client: &str| questions.values().filter(|(it, _)| it.client == client).count();
            let rank = |(request, ends): &(Request, Instant)| (Reverse(asked(&request.client)), *ends);
            let oldest =
                questions.iter().min_by_key(|(_, question)| rank(question)).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| questions.remove(&oldest));
        }
        questions.insert(id.clone(), (request, now + QUESTION_LASTS));
        id
    }

    /// The request that the user has answered, once.
    pub(super) fn answered(&self, id: &str) -> Option<Request> {
        let (request, ends) = lock(&self.questions).remove(id)?;
        (ends > Instant::now()).then_some(request)
    }

    /// Makes a code for a request.
    pub(super) fn issue(&self, request: Request) -> Secret {
        let code = random::hex::<32>();
        let mut codes = lock(&self.codes);
        let now = Instant::now();
        codes.retain(|_, code| code.ends > now);
        // Used codes go first, since they are kept only to notice a second use.
        let age = |code: &Code| (code.used_for.is_none(), code.ends);
        if codes.len() >= MOST
            && let Some(oldest) = codes.iter().min_by_key(|(_, code)| age(code)).map(|(hash, _)| *hash)
        {
            codes.remove(&oldest);
        }
        codes.insert(hash(&code), Code { request, ends: now + CODE_LASTS, used_for: None });
        code.into()
    }

    /// Uses a code of this client. A code of another client stays valid.
    pub(super) fn redeem(&self, client: &str, code: &str) -> Redeemed {
        let mut codes = lock(&self.codes);
        match codes.get_mut(&hash(code)).filter(|known| known.request.client == client) {
            Some(known) if known.ends <= Instant::now() => Redeemed::Unknown,
            Some(Code { used_for: Some(family), .. }) => {
                Redeemed::Again(Some(family.clone()).filter(|family| !family.is_empty()))
            }
            Some(known) => {
                known.used_for = Some(String::new());
                known.ends = Instant::now() + USED_LASTS;
                Redeemed::For(known.request.clone())
            }
            None => Redeemed::Unknown,
        }
    }

    /// Notes which refresh tokens were given for a code.
    pub(super) fn note_use(&self, code: &str, family: &str) {
        if let Some(code) = lock(&self.codes).get_mut(&hash(code)) {
            code.used_for = Some(family.to_owned());
        }
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        codes.note_use(code.expose(), "family");
        assert_eq!(codes.redeem("a", code.expose()), Redeemed::Again(Some("family".to_owned())));
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
        assert_eq!(codes.answered(&second), Some(request("b")));
        assert_eq!(codes.answered(&second), None);
        let flood: Vec<_> = (0..2 * MOST).map(|_| codes.ask(request("c"))).collect();
        assert_eq!(codes.answered(&first), Some(request("a")), "another client's stays");
        assert_eq!(codes.answered(&flood[0]), None);
        let late = codes.ask(request("a"));
        tokio::time::advance(QUESTION_LASTS).await;
        assert_eq!(codes.answered(&late), None);
    }
}
