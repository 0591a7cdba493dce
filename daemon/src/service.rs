//! Builds all rooms and connects them.

mod refusing;
mod unit;

use std::cell::LazyCell;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::future::pending;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use imgurd_proto::{Wire, socket_path};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::access::{Gate, GatewayClients, Permits, Prompts, Rejections, journal};
use crate::bus::Bus;
use crate::clock::SystemClock;
use crate::config::{Config, ConfigFile, SettingsEditor, StoreKind};
use crate::consent::Logins;
use crate::file_watch::FileWatch;
use crate::gateway::Gateway;
use crate::ipc::{self, Api, LocalSocket};
use crate::keeper::{self, Keeper};
use crate::notify::{self, Notifier};
use crate::ownership::{OTHERS_WRITE, open_own, own_directory, withheld};
use crate::probe::Probe;
use crate::provider::{HttpProvider, check_authorities};
use crate::store::{FileStore, KeySource, MemoryStore, SecretServiceStore, TokenStore, Witnessed};
use crate::supervisor::{notify_manager, report_state};
use crate::{network, sleep};

pub use unit::prepare;

/// How long stopping waits for answers: as long as a request may take.
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// How long stopping waits for the journal, whose disk may not respond.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The name of the socket that `imgurd-remote.socket` passes.
const REMOTE: &str = "remote";

/// The command-line options.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// The configuration file [default: $XDG_CONFIG_HOME/imgurd/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The local socket [default: $IMGURD_SOCKET, else $XDG_RUNTIME_DIR/imgurd/socket]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The socket for other machines [default: $XDG_RUNTIME_DIR/imgurd-remote/socket, unless the local one is elsewhere]
    #[arg(long, value_name = "PATH")]
    pub remote_socket: Option<PathBuf>,
    /// Do not answer on D-Bus; imgurd still uses it for the keyring
    #[arg(long)]
    pub no_dbus: bool,
    /// Use this store instead of the configured one: secret-service, file or memory
    #[arg(long, value_name = "STORE")]
    pub store: Option<StoreKind>,
}

impl Options {
    fn config_file(&self) -> anyhow::Result<ConfigFile> {
        let default = || Ok::<_, anyhow::Error>(directory("XDG_CONFIG_HOME", ".config")?.join("config.toml"));
        Ok(ConfigFile::new(self.config.clone().map_or_else(default, Ok)?))
    }
}

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
        let gate = Gate::new(editor.clone(), Permits::load(state.join("permits")), prompts);
        let journal = journal::spawn(state.join("journal"));
        let clients = GatewayClients::new(state.join("gateway"));
        let session = (!options.no_dbus).then(|| bus.clone());
        let probe =
            Probe { bus: session, kind, store, editor: editor.clone(), clients: clients.clone(), state };
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

fn clock() -> anyhow::Result<SystemClock> {
    SystemClock::new().context("cannot create a timer")
}

struct Foundation {
    file: ConfigFile,
    config: Config,
    /// The directory for the state, which includes grants.
    state: PathBuf,
    _lock: File,
}

impl Foundation {
    fn lay(options: &Options) -> anyhow::Result<Self> {
        unit::check_prepared()?;
        let file = options.config_file()?;
        let config = file.load()?;
        let state = directory("XDG_STATE_HOME", ".local/state")?;
        let lock = lock(&state)?;
        Ok(Self { file, config, state, _lock: lock })
    }
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

fn open_store(
    kind: StoreKind,
    config: &Config,
    file: &ConfigFile,
    state: &Path,
    bus: impl FnOnce() -> Bus,
) -> Arc<dyn TokenStore> {
    let witnesses = state.join("stored");
    match kind {
        StoreKind::Memory => Arc::new(MemoryStore::default()),
        StoreKind::File => {
            let store = FileStore::new(state.join("grants.keyring"), key_source(config, file));
            Arc::new(Witnessed::new(store, witnesses))
        }
        StoreKind::SecretService => Arc::new(Witnessed::new(SecretServiceStore::new(bus()), witnesses)),
    }
}

/// The key from a systemd credential if there is one, or else from the file next to the configuration.
fn key_source(config: &Config, file: &ConfigFile) -> KeySource {
    let credential =
        env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join("imgurd.key"));
    // An empty line means a key that the service manager did not find (`SetCredential=`).
    let is_there = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 1);
    if let Some(credential) = credential.filter(is_there) {
        return KeySource::Credential(credential);
    }
    let key_file = config.key_file.as_deref().unwrap_or(Path::new("key"));
    KeySource::File(file.directory().join(key_file))
}

/// The local socket, and the one for callers from other machines. The service also works without the latter.
fn sockets(options: &Options, (local, remote): Passed) -> anyhow::Result<Vec<LocalSocket>> {
    let path = options.socket.clone().unwrap_or_else(socket_path);
    let local = local.map_or_else(|| LocalSocket::bind(&path, Wire::Socket), Ok)?;
    ipc::remove_former_remote(&path);
    let remote = remote.or_else(|| {
        let path = options.remote_socket.clone().or_else(|| ipc::remote_path(&path))?;
        LocalSocket::bind(&path, Wire::Remote)
            .inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "cannot serve other machines"))
            .ok()
    });
    Ok([Some(local), remote].into_iter().flatten().collect())
}

/// The local socket and the one for other machines, as far as systemd passed them.
type Passed = (Option<LocalSocket>, Option<LocalSocket>);

/// The sockets that systemd passed, by name (`FileDescriptorName=`, `sd_listen_fds_with_names(3)`): their order is not
/// guaranteed.
fn passed() -> anyhow::Result<Passed> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<_> = names.split(':').collect();
    let mut passed = ListenFd::from_env();
    let (mut local, mut remote) = (None, None);
    for index in 0..passed.len() {
        let Some(listener) = passed.take_unix_listener(index)? else { continue };
        if names.get(index) == Some(&REMOTE) {
            remote.get_or_insert(LocalSocket::inherit(listener.into(), Wire::Remote)?);
        } else {
            local.get_or_insert(LocalSocket::inherit(listener.into(), Wire::Socket)?);
        }
    }
    Ok((local, remote))
}

/// The daemon's directory below an XDG base directory.
fn directory(variable: &str, below_home: &str) -> anyhow::Result<PathBuf> {
    let base = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(below_home));
    match base.or_else(home) {
        Some(base) => Ok(base.join("imgurd")),
        None => bail!("neither {variable} nor HOME is set; set HOME"),
    }
}

/// Prevents a second daemon from using the same grants, even one in a container that shares the home directory.
fn lock(state: &Path) -> anyhow::Result<File> {
    let shown = state.display();
    own_directory(state, OTHERS_WRITE)?;
    let path = state.join("lock");
    let file = open_own(&path, OpenOptions::new().create(true).truncate(false).write(true).mode(0o600))
        .map_err(|error| {
            let advice = withheld(&error, state);
            let advice = advice.unwrap_or_else(|| "remove it if imgurd did not create it".to_owned());
            anyhow::Error::new(error).context(format!("cannot open {}; {advice}", path.display()))
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another imgurd already uses the grants in {shown}; use that one, or stop it with `systemctl --user \
                 stop imgurd`"
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
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

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Reload,
    Stop,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            Some(()) = self.terminate.recv() => Request::Stop,
            Some(()) = self.interrupt.recv() => Request::Stop,
            Some(()) = self.hangup.recv() => Request::Reload,
            else => pending().await,
        }
    }
}
