//! Conversations over socket pairs: which call is served next, and which caller is disconnected.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::Wire;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, timeout};

use super::super::fairness::run_ready_tasks;
use super::connection::WRITING_PATIENCE;
use super::*;
use crate::access::{Application, Gate, GatewayClients, Permits, Prompts, Quota, Rejections, journal};
use crate::clock::SystemClock;
use crate::config::{Config, ConfigFile, SettingsEditor, StoreKind};
use crate::consent::Logins;
use crate::keeper;
use crate::probe::Probe;
use crate::provider::HttpProvider;
use crate::store::MemoryStore;

/// Longer than every time limit here.
const LONG: Duration = Duration::from_hours(24);

/// A call that is answered immediately.
const CALL: &[u8] = b"{\"method\":\"org.varlink.service.GetInfo\"}\0";

fn api() -> Api {
    let (config, clock) = (Arc::new(Config::default()), Arc::new(SystemClock::new().unwrap()));
    let keeper =
        keeper::spawn(&config, Arc::new(HttpProvider::default()), Arc::<MemoryStore>::default(), clock);
    let editor = Arc::new(SettingsEditor::new(ConfigFile::new(PathBuf::new()), config));
    let permits = Permits::load(PathBuf::new());
    let gate = Gate::new(editor.clone(), permits.clone(), Prompts::new().0);
    let journal = journal::spawn(PathBuf::from("/nowhere/journal")).unwrap();
    let clients = GatewayClients::new("/nonexistent/gateway".into());
    let store = Arc::<MemoryStore>::default();
    let (bus, kind, state) = (None, StoreKind::Memory, PathBuf::new());
    let probe = Probe { bus, kind, store, editor: editor.clone(), clients: clients.clone(), permits, state };
    let (logins, rejections) = (Logins::new(keeper.clone()), Rejections::default());
    Api { keeper, logins, editor, gate, journal, probe, clients, rejections }
}

/// A daemon with callers in several processes.
struct Daemon {
    queues: Queues,
    api: Api,
}

impl Daemon {
    fn new() -> Self {
        Self { queues: Queues::default(), api: api() }
    }

    /// A connection of process `pid` that has already sent `words`.
    fn connection(&mut self, pid: i32, words: &[u8]) -> (UnixStream, JoinHandle<io::Result<()>>) {
        let (caller, stream) = UnixStream::pair().unwrap();
        assert_eq!(rustix::io::write(&caller, words).unwrap(), words.len());
        let who = Caller::new(0, Some(pid), Wire::Socket);
        let (queue, api) = (self.queues.queue(&who), self.api.clone());
        let slot = Quota::new(1).acquire(&Application::Unknown).unwrap();
        (caller, tokio::spawn(async move { converse(stream, &who, &queue, &slot, &api).await }))
    }
}

/// How many answers have arrived since the last call.
fn answers(caller: &UnixStream) -> usize {
    let mut bytes = vec![0; 256 * 1024];
    let length = rustix::io::read(caller, &mut bytes).unwrap_or(0);
    bytes[..length].split(|byte| *byte == 0).count() - 1
}

/// How many calls of process 1 were served until process 2 had ten answers.
async fn served_beside(connections: usize, calls: usize) -> usize {
    let mut daemon = Daemon::new();
    let greedy: Vec<_> = (0..connections).map(|_| daemon.connection(1, &CALL.repeat(calls)).0).collect();
    let (modest, _conversation) = daemon.connection(2, &CALL.repeat(10));
    // Count in a task, which runs as often as the others.
    let counting = tokio::spawn(async move {
        let mut answered = 0;
        while answered < 10 {
            run_ready_tasks().await;
            answered += answers(&modest);
        }
        greedy.iter().map(answers).sum()
    });
    counting.await.unwrap()
}

#[tokio::test]
async fn a_pipelining_process_delays_no_other_process() {
    let served = served_beside(1, 500).await;
    assert!((9..=12).contains(&served), "{served}");
}

#[tokio::test]
async fn a_process_with_many_connections_delays_no_other_process() {
    let served = served_beside(100, 5).await;
    assert!((9..=12).contains(&served), "{served}");
}

#[tokio::test]
async fn a_waiting_call_does_not_block_its_process() {
    let mut daemon = Daemon::new();
    let watch = b"{\"method\":\"org.imgurd.Keeper1.Watch\",\"more\":true}\0";
    let (_watcher, watching) = daemon.connection(1, watch);
    let (caller, _conversation) = daemon.connection(1, CALL);
    caller.readable().await.unwrap();
    assert_eq!(answers(&caller), 1);
    assert!(!watching.is_finished());
}

/// Found by fuzzing: such a watcher kept its slot until an account changed, although the caller had left.
#[tokio::test]
async fn a_half_closed_caller_is_served_until_it_leaves() {
    let watch = b"{\"method\":\"org.imgurd.Keeper1.Watch\",\"more\":true}\0";
    let (caller, mut served) = Daemon::new().connection(1, watch);
    rustix::net::shutdown(&caller, rustix::net::Shutdown::Write).unwrap();
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(!served.is_finished(), "the call continues while the caller is connected");
    drop(caller);
    let ended = timeout(Duration::from_secs(30), &mut served).await;
    assert!(ended.expect("the call ends when the caller disconnects").is_ok());
}

#[tokio::test(start_paused = true)]
async fn disconnects_a_caller_that_stops_in_mid_message() {
    let mut daemon = Daemon::new();
    let begin = Instant::now();
    for words in [&b"{"[..], &CALL[..CALL.len() - 1], &[CALL, b"{"].concat()] {
        let (caller, conversation) = daemon.connection(1, words);
        let error = conversation.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(answers(&caller), usize::from(words.len() > CALL.len()));
    }
    assert!(begin.elapsed() >= 3 * WRITING_PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn single_bytes_do_not_extend_the_time_limit() {
    let mut daemon = Daemon::new();
    let (caller, conversation) = daemon.connection(1, b"{");
    let mut conversation = pin!(conversation);
    let single_bytes = async {
        loop {
            tokio::time::sleep(WRITING_PATIENCE / 4).await;
            rustix::io::write(&caller, b" ").unwrap();
        }
    };
    tokio::select! {
        ended = &mut conversation => assert!(ended.unwrap().is_err()),
        () = single_bytes => {}
        () = tokio::time::sleep(WRITING_PATIENCE * 2) => panic!("the time limit was extended"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_be_silent_between_messages() {
    let mut daemon = Daemon::new();
    for words in [&b""[..], CALL] {
        let (caller, conversation) = daemon.connection(1, words);
        assert!(timeout(LONG, conversation).await.is_err());
        drop(caller);
    }
}

#[tokio::test(start_paused = true)]
async fn disconnects_a_caller_that_does_not_read() {
    let mut daemon = Daemon::new();
    // Each answer is the interface's description; a socket holds about thirty of them.
    let call = b"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\
        \"parameters\":{\"interface\":\"org.imgurd.Keeper1\"}}\0";
    let (_caller, conversation) = daemon.connection(1, &call.repeat(400));
    let ended = timeout(LONG, conversation).await.expect("an end");
    assert_eq!(ended.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
}
