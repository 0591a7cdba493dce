//! What comes of a login, as fuzzers see it.

use std::cell::OnceCell;
use std::sync::Arc;

use imgurd_proto::{Flow, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use url::Url;

use super::answer::{self, Answer, Content, from_paste};
use super::callback::Callback;
use super::listener::{Door, Farewell, Visit, connection};
use super::page::Page;
use super::visitors::Asked;

/// Where the nonce of the page that was served before goes in a request.
const NONCE: &[u8] = b"NONCE";

const CALLBACK: &str = "http://127.0.0.1:8917/callback";
const FIRST_VISIT: &[u8] = b"GET /callback HTTP/1.1\r\nHost: 127.0.0.1:8917\r\n\r\n";

/// What is between this and the next quote on the page that has one.
const BEFORE_NONCE: &[u8] = b"data-nonce=\"";

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Sends `request` to the listener of a login at <http://127.0.0.1:8917/callback>, and returns its answer.
///
/// # Panics
/// Where there is no runtime to be had.
#[must_use]
pub fn visit(flow: Flow, request: &[u8]) -> Vec<u8> {
    let build = || Builder::new_current_thread().enable_all().build().expect("a runtime");
    RUNTIME.with(|runtime| runtime.get_or_init(build).block_on(visits(flow, request)))
}

async fn visits(flow: Flow, request: &[u8]) -> Vec<u8> {
    let state = Secret::from("S");
    let callback = Callback::new("fuzz", &Url::parse(CALLBACK).expect("a URL"), flow, &state);
    let door = Arc::new(Door { callback, farewell: Farewell::default() });
    let page = exchange(&door, FIRST_VISIT).await;
    let at = page.windows(BEFORE_NONCE.len()).position(|part| part == BEFORE_NONCE);
    let nonce = at.and_then(|at| page[at + BEFORE_NONCE.len()..].split(|byte| *byte == b'"').next());
    exchange(&door, &replace(request, nonce.unwrap_or_default())).await
}

fn replace(request: &[u8], nonce: &[u8]) -> Vec<u8> {
    match request.windows(NONCE.len()).position(|part| part == NONCE) {
        Some(at) => [&request[..at], nonce, &request[at + NONCE.len()..]].concat(),
        None => request.to_vec(),
    }
}

async fn exchange(door: &Arc<Door>, request: &[u8]) -> Vec<u8> {
    let (visits, mut visitors) = mpsc::channel::<Visit>(1);
    let (stream, mut browser) = duplex(64 * 1024);
    let login = async {
        while let Some(visit) = visitors.recv().await {
            let _ = visit.page.send(Page::Underway);
        }
    };
    let browsing = async {
        let _ = browser.write_all(request).await;
        let _ = browser.shutdown().await;
        let mut answer = Vec::new();
        let _ = browser.read_to_end(&mut answer).await;
        answer
    };
    tokio::join!(connection(stream, Arc::clone(door), visits, Asked::default()), login, browsing).2
}

/// Reads a pasted answer of the authorization page; what is said of an error in it, or of it, or nothing.
#[must_use]
pub fn paste(text: &Secret, flow: Flow) -> String {
    match from_paste(text, flow) {
        Ok(Answer { content: Content::Error { code, .. }, .. }) => code,
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// Reads a grant obtained elsewhere; what is said of it, or nothing.
#[must_use]
pub fn import(text: &Secret) -> String {
    answer::import(text).err().map_or_else(String::new, |error| error.to_string())
}
