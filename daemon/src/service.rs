//! Builds all rooms and connects them.

mod foundation;
mod options;
mod refusing;
mod signals;
mod sockets;
mod stores;
mod unit;

use std::cell::LazyCell;
use std::fs::{DirBuilder, File};
use std::future::pending;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::access::{Gate, GatewayClients, Permits, Prompts, Rejections, journal};
use crate::bus::Bus;
use crate::clock::SystemClock;
use crate::config::{SettingsEditor, StoreKind};
use crate::consent::Logins;
use crate::file_watch::FileWatch;
use crate::gateway::Gateway;
use crate::ipc::{self, Api};
use crate::keeper::{self, Keeper};
use crate::notify::{self, Notifier};
use crate::probe::Probe;
use crate::provider::{HttpProvider, check_authorities};
use crate::supervisor::{notify_manager, report_state};
use crate::{network, sleep};

use self::foundation::Foundation;
pub use self::options::Options;
use self::signals::{Request, Signals};
use self::sockets::{Passed, passed, sockets};
use self::stores::{key_source, open_store};
pub use self::unit::prepare;

/// How long stopping waits for answers: as long as a request may take.
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// How long stopping waits for the journal, whose disk may not respond.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Checks the configuration and the files that it names. Returns nothing if all is well.
pub fn check(options: &Options) -> anyhow::Result<()> {
    let file = options.config_file()?;
    if options.config.is_some() && !file.path().exists() {
        bail!("{} does not exist; correct the path", file.path().display());
    }
    let config = file.load()?;
    if options.store.unwrap_or(config.store) == StoreKind::File {
        key_source(&config, &file).check()?;
    }
    for (name, account) in &config.accounts {
        if let Some(ca_file) = &account.ca_file {
            let checked = check_authorities(&file.directory().join(ca_file));
            checked
                .map_err(|reason| anyhow!("[accounts.{name}] ca_file: {reason}; correct it, or remove it"))?;
        }
    }
    Ok(())
}

/// Runs the daemon until it has to stop.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    raise_descriptor_limit();
    let passed = passed()?;
    let foundation = match Foundation::lay(&options) {
        Err(failure) if passed.0.is_some() => {
            return refusing::answer(&options, &mut signals, passed, failure).await;
        }
        laid => laid?,
    };
    let mut daemon = Daemon::start(&options, passed, foundation).await?;
    notify_manager(&[NotifyState::Ready]).await;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    daemon.work(&mut signals).await;
    notify_manager(&[NotifyState::Stopping]).await;
    daemon.stop().await;
    Ok(())
}

/// All rooms, connected.
struct Daemon {
    api: Api,
    gateway: Gateway,
    wires: JoinSet<()>,
    notifier: Option<Notifier>,
    /// Kept until the very end, so that the machine does not suspend before the last answer.
    _senses: JoinSet<()>,
    _lock: File,
}

impl Daemon {
    async fn start(options: &Options, passed: Passed, foundation: Foundation) -> anyhow::Result<Self> {
        let Foundation { file, config, state, _lock: lock } = foundation;
        let config = Arc::new(config);
        let bus = LazyCell::new(Bus::session);
        let kind = options.store.unwrap_or(config.store);
        let store = open_store(kind, &config, &file, &state, || bus.clone());
        let provider = Arc::new(HttpProvider::default().with_files_in(file.directory()));
        let keeper = keeper::spawn(&config, provider, store.clone(), Arc::new(clock()?));
        let editor = Arc::new(SettingsEditor::new(file, config));
        let logins = Logins::new(keeper.clone());
        let (prompts, questions) = Prompts::new();
        let permits = Permits::load(state.join("permits"));
        let gate = Gate::new(editor.clone(), permits.clone(), prompts);
        let journal = journal::spawn(state.join("journal")).context(NO_TIMER)?;
        let clients = GatewayClients::new(state.join("gateway"));
        let session = (!options.no_dbus).then(|| bus.clone());
        let (settings, registered) = (editor.clone(), clients.clone());
        let probe =
            Probe { bus: session, kind, store, editor: settings, clients: registered, permits, state };
        let rejections = Rejections::default();
        let api = Api { keeper, logins, editor, gate, journal, probe, clients, rejections };
        let mut gateway = Gateway::new(api.clone());
        gateway.follow().await;
        let mut senses = JoinSet::new();
        senses.spawn(sleep::watch_suspend(Bus::system(), api.keeper.clone()));
        senses.spawn(network::watch_connectivity(api.keeper.clone()));
        senses.spawn(report_state(api.keeper.clone()));
        let mut wires = JoinSet::new();
        for socket in sockets(options, passed)? {
            wires.spawn(ipc::serve(socket, api.clone()));
        }
        let mut notifier = None;
        if !options.no_dbus {
            let (trying, tried) = oneshot::channel();
            wires.spawn(ipc::dbus::serve(api.clone(), bus.clone(), trying));
            let _ = tried.await;
            let Api { keeper, logins, editor, .. } = api.clone();
            let clock = Box::new(clock()?);
            notifier = Some(notify::spawn(keeper, logins, editor, bus.clone(), clock, questions));
        }
        Ok(Self { api, gateway, wires, notifier, _senses: senses, _lock: lock })
    }

    /// Works until it has to stop.
    async fn work(&mut self, signals: &mut Signals) {
        let Self { api: Api { editor, keeper, .. }, gateway, .. } = self;
        let mut watch = watch(editor);
        loop {
            tokio::select! {
                request = signals.next() => match request {
                    Request::Stop => return,
                    Request::Reload => reload_on_signal(editor, keeper).await,
                },
                () = edited(watch.as_mut()) => reload(editor, keeper).await,
                () = editor.changed() => gateway.follow().await,
                () = gateway.retry_due() => gateway.follow().await,
            }
        }
    }

    async fn stop(mut self) {
        self.wires.abort_all();
        if let Some(notifier) = self.notifier {
            notifier.end().await;
        }
        if timeout(LAST_ANSWERS, self.api.keeper.drain()).await.is_err() {
            tracing::warn!("stopped before the store or the server answered");
        }
        let _ = timeout(LAST_LINES, self.api.journal.end()).await;
    }
}

const NO_TIMER: &str = "cannot create a timer";

fn clock() -> anyhow::Result<SystemClock> {
    SystemClock::new().context(NO_TIMER)
}

async fn reload_on_signal(editor: &SettingsEditor, keeper: &Keeper) {
    let reloading = NotifyState::monotonic_usec_now().ok();
    notify_manager(&[NotifyState::Reloading].into_iter().chain(reloading).collect::<Vec<_>>()).await;
    reload(editor, keeper).await;
    notify_manager(&[NotifyState::Ready]).await;
}

async fn reload(editor: &SettingsEditor, keeper: &Keeper) {
    match editor.reload() {
        Ok(Some(config)) => {
            let _ = keeper.configure(config).await;
            tracing::info!("reloaded the configuration");
        }
        Ok(None) => tracing::debug!("the configuration has not changed"),
        Err(error) => {
            tracing::error!(%error, "cannot reload the configuration; imgurd keeps the previous one");
        }
    }
}

fn watch(editor: &SettingsEditor) -> Option<FileWatch> {
    let path = editor.file().path();
    let directory = path.parent().unwrap_or(Path::new("."));
    // The directory must exist to be watched. If it cannot be created, `account add` reports that.
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let warn = |error: &io::Error| tracing::warn!(%error, "cannot watch config.toml; reload imgurd after you edit it");
    FileWatch::for_content(path).inspect_err(warn).ok()
}

async fn edited(watch: Option<&mut FileWatch>) {
    let Some(watch) = watch else { return pending().await };
    if watch.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// Raises the limit to have a descriptor for each caller: the soft limit is often only 1024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "cannot raise the limit of file descriptors");
    }
}
