//! The functions that the fuzz targets in `tests/fuzz` call: all code that reads input from other programs.

mod pasting;

use std::cell::OnceCell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use imgurd_proto::{AddAccount, Error, Flow, JournalEntry, Login, Secret, Wire, Zeroizing};
use oauth2::HttpResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;
use zbus::wire::LE;
use zbus::wire::serialized::{Context, Data};

use crate::access::journal::{self, JournalFile};
use crate::access::process::{Stat, Status};
use crate::access::{
    Application, Caller, Gate, GatewayClients, Permits, Prompts, Quota, Rejections, cgroup, sandbox,
};
use crate::clock::SystemClock;
use crate::config::{Config, ConfigFile, SettingsEditor, StoreKind};
use crate::consent::Logins;
use crate::consent::callback::{self, Callback, Nonce};
use crate::consent::listener::{Farewell, Route, Visit, serve_connection};
use crate::consent::page::Page;
use crate::grant::Record;
use crate::ipc::dbus::dictionary::{Dictionary, arguments};
use crate::ipc::fairness::Queues;
use crate::ipc::{Api, varlink};
use crate::keeper::{self, Keeper};
use crate::loopback::visitors::Asked;
use crate::probe::Probe;
use crate::provider::{
    Answer, HttpProvider, Reply, TokenOwner, classify, device, inquiry, metadata, token_owner,
};
use crate::store::{MemoryStore, StoreError, item};

pub use pasting::{Pasted, import, paste};

/// How long the caller of a stream waits for the next message before it leaves.
const QUIET: Duration = Duration::from_millis(5);

/// The placeholder in a request for the nonce of the page before it.
const NONCE: &[u8] = b"NONCE";

/// The text before the nonce in the page.
const BEFORE_NONCE: &[u8] = b"data-nonce=\"";

const CALLBACK: &str = "http://127.0.0.1:8917/callback";
const FIRST_VISIT: &[u8] = b"GET /callback HTTP/1.1\r\nHost: 127.0.0.1:8917\r\n\r\n";

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    static API: OnceCell<Api> = const { OnceCell::new() };
}

/// Sends `said` to a daemon without accounts, and returns its answers.
#[must_use]
pub fn converse(said: &[u8]) -> Vec<u8> {
    RUNTIME.with(|runtime| {
        let _context = runtime.enter();
        API.with(|api| runtime.block_on(call(api.get_or_init(api_without_accounts), said)))
    })
}

fn api_without_accounts() -> Api {
    let config = Arc::new(Config::default());
    let clock = Arc::new(SystemClock::new().expect("a timer"));
    let store = Arc::<MemoryStore>::default();
    let keeper = keeper::spawn(&config, Arc::new(HttpProvider::default()), store, clock);
    api(config, keeper)
}

fn api(config: Arc<Config>, keeper: Keeper) -> Api {
    // No file can exist there, so no input writes to a disk.
    let nowhere = |name: &str| PathBuf::from("/dev/null").join(name);
    let editor = Arc::new(SettingsEditor::new(ConfigFile::new(nowhere("config.toml")), config));
    let permits = Permits::load(nowhere("permits"));
    let gate = Gate::new(editor.clone(), permits.clone(), Prompts::new().0);
    let journal = journal::spawn(nowhere("journal")).expect("a timer");
    let clients = GatewayClients::new("/nonexistent/gateway".into());
    let store = Arc::<MemoryStore>::default();
    let (bus, kind, state) = (None, StoreKind::Memory, PathBuf::new());
    let probe = Probe { bus, kind, store, editor: editor.clone(), clients: clients.clone(), permits, state };
    let (logins, rejections) = (Logins::new(keeper.clone()), Rejections::default());
    Api { keeper, logins, editor, gate, journal, probe, clients, rejections }
}

async fn call(api: &Api, said: &[u8]) -> Vec<u8> {
    let (stream, mut caller) = UnixStream::pair().expect("a socket");
    let ourselves = Caller::of(&stream, Wire::Socket).expect("ourselves");
    let queue = Queues::default().queue(&ourselves);
    let slot = Quota::new(1).acquire(&Application::Unknown).expect("a free place");
    let calling = async move {
        let (mut reader, mut writer) = caller.split();
        let write = async {
            let _ = writer.write_all(said).await;
            let _ = writer.shutdown().await;
        };
        let mut answers = Vec::new();
        let read = async { while let Ok(Ok(1..)) = timeout(QUIET, reader.read_buf(&mut answers)).await {} };
        tokio::join!(write, read);
        answers
    };
    tokio::join!(varlink::converse(stream, &ourselves, &queue, &slot, api), calling).1
}

/// Reads a dictionary of D-Bus from its bytes, for the two methods that take one. Returns the error's text, if any.
#[must_use]
pub fn dictionary(bytes: &[u8]) -> Option<String> {
    let data = Data::new(bytes.to_vec(), Context::new(LE, 0));
    let (given, _): (Dictionary, usize) = data.deserialize().ok()?;
    let read: Result<(Login, AddAccount), Error> =
        arguments(&given).and_then(|login| Ok((login, arguments(&given)?)));
    read.err().map(|error| error.to_string())
}

/// The application that `/proc/PID/cgroup` names, for a daemon in the cgroup `home`.
#[must_use]
pub fn application(cgroups: &str, home: &str) -> Application {
    let _ = cgroup::services(cgroups, home);
    cgroup::application(cgroups, home)
}

/// Reads the other files of a process: `stat`, `status`, `mountinfo` and `attr/current`.
pub fn read_process(text: &[u8]) {
    let _ = (Status::read(text), sandbox::Mounts::read(text), cgroup::labelled(text), Stat::read(text));
}

/// Reads all entries of the journal at `path`, the oldest first.
///
/// # Errors
/// If the file cannot be read.
pub fn read_journal(path: PathBuf) -> io::Result<Vec<JournalEntry>> {
    JournalFile::new(path).read()
}

/// Appends `entries` to the journal at `path`.
///
/// # Errors
/// If the file cannot be written.
pub fn append_to_journal(path: PathBuf, entries: &[JournalEntry]) -> io::Result<()> {
    JournalFile::new(path).append(entries)
}

/// Sends `request` to the listener of a login at <http://127.0.0.1:8917/callback>, and returns its answer.
#[must_use]
pub fn visit(flow: Flow, request: &[u8]) -> Vec<u8> {
    RUNTIME.with(|runtime| runtime.block_on(visit_twice(flow, request)))
}

async fn visit_twice(flow: Flow, request: &[u8]) -> Vec<u8> {
    let state = Secret::from("S");
    let (url, shared) = (Url::parse(CALLBACK).expect("a URL"), Nonce::default());
    let callback = || Callback::new("fuzz", &url, flow, &state).sharing(&shared);
    let page = exchange(callback(), FIRST_VISIT).await;
    let at = page.windows(BEFORE_NONCE.len()).position(|part| part == BEFORE_NONCE);
    let nonce = at.and_then(|at| page[at + BEFORE_NONCE.len()..].split(|byte| *byte == b'"').next());
    exchange(callback(), &with_nonce(request, nonce.unwrap_or_default())).await
}

fn with_nonce(request: &[u8], nonce: &[u8]) -> Vec<u8> {
    match request.windows(NONCE.len()).position(|part| part == NONCE) {
        Some(at) => [&request[..at], nonce, &request[at + NONCE.len()..]].concat(),
        None => request.to_vec(),
    }
}

async fn exchange(callback: Callback, request: &[u8]) -> Vec<u8> {
    let (visits, mut visitors) = mpsc::channel::<Visit>(1);
    let (stream, mut browser) = duplex(64 * 1024);
    let login = async {
        while let Some(visit) = visitors.recv().await {
            visit.show(Page::Underway);
        }
    };
    let browsing = async {
        let _ = browser.write_all(request).await;
        let _ = browser.shutdown().await;
        let mut answer = Vec::new();
        let _ = browser.read_to_end(&mut answer).await;
        answer
    };
    let route = Arc::new(Route { callback, farewell: Farewell::default(), visits });
    let serving = serve_connection(stream, move |_: &callback::Request| route.clone(), Asked::default());
    tokio::join!(serving, login, browsing).2
}

/// Classifies an answer of the token endpoint.
#[must_use]
pub fn classify_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Reply {
    Reply {
        answer: classify::classify(status, headers, body, false, &[]),
        date: classify::server_time(headers),
    }
}

/// Reads the owner of a token from an answer of the API.
#[must_use]
pub fn identify(status: StatusCode, headers: HeaderMap, body: &[u8]) -> TokenOwner {
    let mut response = HttpResponse::new(body.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    inquiry::understand(&response, token_owner::username, &[])
}

/// Reads a server's metadata, the codes for a device, and the answer to a poll. Returns the error texts of the latter
/// two; metadata is public.
#[must_use]
pub fn read_documents(status: StatusCode, body: &[u8]) -> Vec<String> {
    let mut response = HttpResponse::new(body.to_vec());
    *response.status_mut() = status;
    let _ = metadata::read(&String::from_utf8_lossy(body), "https://as.example");
    let codes = device::understand(&response, &[]).err().map(|answer| *answer);
    let answers = codes.into_iter().chain(device::polled(&response, &[]));
    let reason = |answer| match answer {
        Answer::Refused { reason } | Answer::Misconfigured { reason, .. } => Some(reason),
        Answer::Transient(trouble) => Some(trouble.reason),
        Answer::Granted(_) => None,
    };
    answers.filter_map(reason).collect()
}

/// Decodes an item of the store.
///
/// # Errors
/// If it is damaged, or newer than this version.
pub fn decode_item(item: &[u8]) -> Result<Record, StoreError> {
    item::decode("fuzz", item)
}

/// Encodes an item of the store.
///
/// # Errors
/// If the record cannot be serialized.
pub fn encode_item(record: &Record) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    item::encode(record)
}
