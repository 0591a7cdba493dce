#![expect(clippy::needless_pass_by_value, clippy::unused_self, reason = "zbus calls methods so")]

use std::future::pending;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select_all;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Guid, ObjectPath, OwnedVariant, fdo};

use super::*;

const SERVICE: &str = "/org/freedesktop/secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";
const ITEM: &str = "/org/freedesktop/secrets/collection/login/1";
const SESSION: &str = "/org/freedesktop/secrets/session/s1";
const PROMPT: &str = "/org/freedesktop/secrets/prompt/p1";

/// How long our end of the connection waits for an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// What a keyring has and does.
#[derive(Default)]
struct State {
    session: Option<Session>,
    item: Option<Vec<u8>>,
    /// It creates an item by a prompt, which is dismissed or not.
    prompt_dismissed: Option<bool>,
    /// The secret of the item to create.
    created: Option<Secret>,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    NoEncryption,
    NoSession,
    Locked,
    Hangs,
}

impl State {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

#[derive(Clone)]
struct Fake {
    state: Arc<Mutex<State>>,
    done: mpsc::UnboundedSender<&'static str>,
}

fn path(path: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(path).unwrap()
}

fn error(name: &'static str) -> fdo::Error {
    fdo::Error::ZBus(zbus::Error::Failure(name.to_owned()))
}

struct ServiceObject(Fake);

#[zbus::interface(name = "org.freedesktop.Secret.Service")]
impl ServiceObject {
    fn open_session(
        &self,
        algorithm: &str,
        input: OwnedVariant,
    ) -> fdo::Result<(OwnedVariant, OwnedObjectPath)> {
        self.0.done.send("opened").unwrap();
        let mut state = self.0.state.lock().unwrap();
        if algorithm != ALGORITHM || state.has(Fault::NoEncryption) {
            return Err(fdo::Error::NotSupported("no such algorithm".to_owned()));
        }
        let exchange = KeyExchange::new().unwrap();
        state.session = exchange.complete(input, path(SESSION));
        Ok((exchange.public().try_into().unwrap(), path(SESSION)))
    }

    fn search_items(
        &self,
        attributes: HashMap<String, String>,
    ) -> (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) {
        assert_eq!((&*attributes["service"], &*attributes["username"]), ("imgurd", "me"));
        let state = self.0.state.lock().unwrap();
        let found = if state.item.is_some() { vec![path(ITEM)] } else { Vec::new() };
        if state.has(Fault::Locked) { (Vec::new(), found) } else { (found, Vec::new()) }
    }

    fn read_alias(&self, name: &str) -> OwnedObjectPath {
        assert_eq!(name, "default");
        path(COLLECTION)
    }
}

struct CollectionObject(Fake);

#[zbus::interface(name = "org.freedesktop.Secret.Collection")]
impl CollectionObject {
    #[zbus(property)]
    fn locked(&self) -> bool {
        self.0.state.lock().unwrap().has(Fault::Locked)
    }

    fn create_item(
        &self,
        properties: HashMap<String, OwnedVariant>,
        secret: Secret,
        replace: bool,
    ) -> (OwnedObjectPath, OwnedObjectPath) {
        assert!(replace);
        let label = <&str>::try_from(&properties["org.freedesktop.Secret.Item.Label"]).unwrap();
        assert_eq!(label, "imgurd: me");
        assert!(properties.contains_key("org.freedesktop.Secret.Item.Attributes"));
        let mut state = self.0.state.lock().unwrap();
        if state.prompt_dismissed.is_some() {
            state.created = Some(secret);
            return (path(NO_OBJECT), path(PROMPT));
        }
        state.item = state.session.as_ref().unwrap().decrypt(&secret);
        (path(ITEM), path(NO_OBJECT))
    }
}

struct PromptObject(Fake);

#[zbus::interface(name = "org.freedesktop.Secret.Prompt")]
impl PromptObject {
    async fn prompt(&self, window_id: &str, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        assert_eq!(window_id, "");
        let dismissed = {
            let mut state = self.0.state.lock().unwrap();
            let dismissed = state.prompt_dismissed.unwrap();
            if !dismissed {
                let created = state.created.take().unwrap();
                state.item = state.session.as_ref().unwrap().decrypt(&created);
            }
            dismissed
        };
        Self::completed(&emitter, dismissed, Variant::from("")).await.unwrap();
    }

    #[zbus(signal)]
    async fn completed(emitter: &SignalEmitter<'_>, dismissed: bool, result: Variant<'_>)
    -> zbus::Result<()>;
}

struct ItemObject(Fake);

#[zbus::interface(name = "org.freedesktop.Secret.Item")]
impl ItemObject {
    async fn get_secret(&self, session: ObjectPath<'_>) -> fdo::Result<Secret> {
        self.0.done.send("asked").unwrap();
        if self.0.state.lock().unwrap().has(Fault::Hangs) {
            pending::<()>().await;
        }
        let state = self.0.state.lock().unwrap();
        if state.has(Fault::NoSession) || session.as_str() != SESSION {
            return Err(error("no such session"));
        }
        Ok(state.session.as_ref().unwrap().encrypt(state.item.as_ref().unwrap()).unwrap())
    }

    fn set_secret(&self, secret: Secret) {
        let mut state = self.0.state.lock().unwrap();
        state.item = state.session.as_ref().unwrap().decrypt(&secret);
    }
}

struct SessionObject(Fake);

#[zbus::interface(name = "org.freedesktop.Secret.Session")]
impl SessionObject {
    fn close(&self) {
        self.0.done.send("closed").unwrap();
    }
}

/// Our end of a connection.
async fn ours_over(stream: UnixStream) -> ServiceProxy<'static> {
    let connection = Builder::unix_stream(stream).p2p().method_timeout(LIMIT).build().await.unwrap();
    ServiceProxy::new(&connection).await.unwrap()
}

/// A keyring, our end of a connection to it, and what is done to it.
struct Bench {
    state: Arc<Mutex<State>>,
    keyring: Connection,
    service: ServiceProxy<'static>,
    log: mpsc::UnboundedReceiver<&'static str>,
}

impl Bench {
    async fn with(state: State) -> Self {
        let (done, log) = mpsc::unbounded_channel();
        let fake = Fake { state: Arc::new(Mutex::new(state)), done };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let keyring = Builder::unix_stream(theirs)
            .server(Guid::generate())
            .p2p()
            .serve_at(SERVICE, ServiceObject(fake.clone()))
            .serve_at(COLLECTION, CollectionObject(fake.clone()))
            .serve_at(ITEM, ItemObject(fake.clone()))
            .serve_at(PROMPT, PromptObject(fake.clone()))
            .serve_at(SESSION, SessionObject(fake.clone()))
            .build();
        let (keyring, service) = tokio::join!(keyring, ours_over(ours));
        Self { state: fake.state, keyring: keyring.unwrap(), service, log }
    }

    /// Does something with the item on a thread that may block, in a session for it.
    fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(Entry) -> Result<T> + Send + 'static,
    ) -> oneshot::Receiver<std::result::Result<T, StoreError>> {
        let (service, runtime) = (self.service.clone(), Handle::current());
        let (reply, outcome) = oneshot::channel();
        thread::spawn(move || {
            let label = HashMap::from([("label", "imgurd: me")]);
            let items = Items::open(service, runtime);
            let done = items.and_then(|items| items.build("imgurd", "me", Some(&label))).and_then(call);
            let _ = reply.send(done.map_err(|error| sentences::from_keyring("me", &error)));
        });
        outcome
    }

    async fn read(&self) -> std::result::Result<Vec<u8>, StoreError> {
        self.call(|entry| entry.get_secret()).await.unwrap()
    }

    async fn write(&self, text: &'static str) -> std::result::Result<(), StoreError> {
        self.call(|entry| entry.set_secret(text.as_bytes())).await.unwrap()
    }

    fn item(&self) -> Option<String> {
        self.state.lock().unwrap().item.clone().map(|item| String::from_utf8(item).unwrap())
    }
}

#[tokio::test]
async fn an_item_is_created_replaced_and_read_and_each_session_is_closed() {
    let mut bench = Bench::with(State::default()).await;
    bench.write("one").await.unwrap();
    assert_eq!(bench.item().unwrap(), "one");
    bench.write("two").await.unwrap();
    assert_eq!(bench.item().unwrap(), "two");
    assert_eq!(bench.read().await.unwrap(), b"two");
    let mut log = [0, 0, 0];
    while log != [3, 3, 1] {
        match bench.log.recv().await.unwrap() {
            "opened" => log[0] += 1,
            "closed" => log[1] += 1,
            _ => log[2] += 1,
        }
    }
}

#[tokio::test]
async fn a_prompt_that_creates_the_item_is_answered_and_a_dismissed_one_leaves_it_locked() {
    let bench = Bench::with(State { prompt_dismissed: Some(false), ..State::default() }).await;
    bench.write("one").await.unwrap();
    assert_eq!(bench.item().unwrap(), "one");
    let bench = Bench::with(State { prompt_dismissed: Some(true), ..State::default() }).await;
    assert_eq!(bench.write("one").await, Err(sentences::dismissed()));
    assert_eq!(bench.item(), None);
}

#[tokio::test]
async fn nothing_is_asked_of_a_keyring_that_was_locked_meanwhile() {
    for item in [None, Some(b"one".to_vec())] {
        let bench =
            Bench::with(State { fault: Some(Fault::Locked), item: item.clone(), ..State::default() }).await;
        assert_eq!(bench.write("two").await, Err(sentences::locked(Provider::Other)));
        assert_eq!(bench.state.lock().unwrap().item, item);
    }
}

#[tokio::test]
async fn no_secret_goes_to_a_keyring_that_does_not_encrypt() {
    let mut bench = Bench::with(State { fault: Some(Fault::NoEncryption), ..State::default() }).await;
    let error = bench.write("one").await.unwrap_err().to_string();
    assert!(error.starts_with("The keyring failed (") && error.contains("no such algorithm"), "{error}");
    assert_eq!((bench.item(), bench.log.recv().await), (None, Some("opened")));
    assert!(bench.log.try_recv().is_err(), "imgurd asks for no other algorithm");
}

#[tokio::test]
async fn a_session_that_the_keyring_lost_is_an_error_of_the_keyring() {
    let item = Some(b"one".to_vec());
    let bench = Bench::with(State { item, fault: Some(Fault::NoSession), ..State::default() }).await;
    let failed = bench.call(|entry| match entry.get_secret() {
        Err(Error::PlatformFailure(_)) => Ok(()),
        other => panic!("{other:?}"),
    });
    assert_eq!(failed.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_call_that_the_keyring_does_not_answer_ends_when_the_keyring_exits() {
    let item = Some(b"one".to_vec());
    let mut bench = Bench::with(State { item, fault: Some(Fault::Hangs), ..State::default() }).await;
    let mut reading = bench.call(|entry| entry.get_secret());
    assert_eq!(bench.log.recv().await, Some("opened"));
    assert_eq!(bench.log.recv().await, Some("asked"));
    assert!(reading.try_recv().is_err());
    bench.keyring.close().await.unwrap();
    assert!(matches!(reading.await.unwrap(), Err(StoreError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_take_effect_later_has_no_time_limit() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let keyring = Builder::unix_stream(theirs).server(Guid::generate()).p2p().build();
    let (keyring, service) = tokio::join!(keyring, ours_over(ours));
    let (collection, item) =
        (service.object::<CollectionProxy>(path(COLLECTION)), service.object::<ItemProxy>(path(ITEM)));
    let (collection, item) = (collection.await.unwrap(), item.await.unwrap());
    let secret = Secret {
        session: path(SESSION),
        parameters: Vec::new(),
        value: Vec::new(),
        content_type: String::new(),
    };
    let (input, properties) = (Variant::from(""), HashMap::new());
    let calls = select_all([
        service.open_session(ALGORITHM, &input).map(|answer| answer.map(drop)).boxed(),
        collection.create_item(&properties, &secret, true).map(|answer| answer.map(drop)).boxed(),
        item.get_secret(&secret.session).map(|answer| answer.map(drop)).boxed(),
        item.set_secret(&secret).boxed(),
    ]);
    assert!(timeout(1000 * LIMIT, calls).await.is_err(), "no call has ended");
    assert!(timeout(2 * LIMIT, service.read_alias("default")).await.unwrap().is_err(), "others have one");
    drop(keyring);
}
