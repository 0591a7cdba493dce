//! The local socket as fuzzers see it.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::turns::Turns;
use super::{Api, varlink};
use crate::access::{Application, Asking, Caller, Gate, Permits, Places, Recent, journal};
use crate::clock::SystemClock;
use crate::config::{Config, ConfigFile, SettingsEditor, StoreKind};
use crate::consent::Logins;
use crate::keeper;
use crate::probe::Probe;
use crate::provider::HttpProvider;
use crate::store::MemoryStore;

/// How long there is nothing to read before a caller who is answered with a stream has heard enough.
const QUIET: Duration = Duration::from_millis(5);

thread_local! {
    static DAEMON: OnceCell<(Runtime, Api)> = const { OnceCell::new() };
}

/// Says all of `said` to a daemon without an account, and returns its answers.
#[must_use]
pub fn converse(said: &[u8]) -> Vec<u8> {
    DAEMON.with(|daemon| {
        let (runtime, api) = daemon.get_or_init(daemon_of_its_own);
        runtime.block_on(call(api, said))
    })
}

fn daemon_of_its_own() -> (Runtime, Api) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let context = runtime.enter();
    let config = Arc::new(Config::default());
    let clock = Arc::new(SystemClock::new().expect("a timer"));
    let keeper =
        keeper::spawn(&config, Arc::new(HttpProvider::default()), Arc::new(MemoryStore::default()), clock);
    // Nothing can be there, so that no input writes to a disk.
    let nowhere = ConfigFile::new(PathBuf::from("/dev/null/config.toml"));
    let desk = Arc::new(SettingsEditor::new(nowhere, config));
    let gate = Gate::new(desk.clone(), Permits::load(PathBuf::from("/dev/null/permits")), Asking::new().0);
    let journal = journal::spawn(PathBuf::from("/dev/null/journal"));
    let probe = Probe::new(None, StoreKind::Memory, Arc::new(MemoryStore::default()), desk.clone());
    let api = Api::new(keeper.clone(), Logins::new(keeper), desk, gate, journal, probe);
    drop(context);
    (runtime, api)
}

async fn call(api: &Api, said: &[u8]) -> Vec<u8> {
    let (stream, mut caller) = UnixStream::pair().expect("a socket");
    let ourselves = Caller::of(&stream, Wire::Socket, &Recent::default()).expect("ourselves");
    let line = Turns::default().line(&ourselves);
    let place = Places::new(1).enter(&Application::Unknown).expect("a free place");
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
    tokio::join!(varlink::converse(stream, &ourselves, &line, &place, api), calling).1
}
