//! A GNOME Keyring for one test, on the test's own bus.

use std::fmt;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::thread;

use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::{self, Handle};
use tokio::sync::watch;
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::fdo::DBusProxy;
use zbus::names::{BusName, OwnedUniqueName};
use zbus::{Connection, ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use super::Testbed;
use super::prompter::{self, Answer, Prompter};
use crate::fake::PATIENCE;

const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "/org/freedesktop/secrets";
/// The collection of the first login, which is the default.
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";
const PASSWORD: &str = "correct horse";

/// A `gnome-keyring-daemon`, and the user who answers its dialogs. Dropping it kills the daemon.
pub struct Keyring {
    child: Option<Child>,
    runtime: Handle,
    bus: Connection,
    answer: watch::Sender<Answer>,
    shown: watch::Receiver<usize>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keyring").field("child", &self.child).finish_non_exhaustive()
    }
}

impl Testbed {
    /// A keyring that does not run yet. The [bus](Self::bus) has to run.
    pub fn keyring(&self) -> Keyring {
        let (answer, answers) = watch::channel(Answer::Dismiss);
        let (shown, count) = watch::channel(0);
        let prompter = Prompter { password: PASSWORD, answer: answers, shown };
        self.keyring_with(answer, count, |builder| {
            builder.serve_at(prompter::PATH, prompter).name(prompter::NAME)
        })
    }

    /// A keyring whose dialogs GNOME's own prompter shows on the [display](Self::display). The bus has to activate
    /// the prompter.
    pub fn keyring_with_dialogs(&self) -> Keyring {
        self.keyring_with(watch::Sender::new(Answer::Nothing), watch::channel(0).1, |builder| builder)
    }

    fn keyring_with(
        &self,
        answer: watch::Sender<Answer>,
        shown: watch::Receiver<usize>,
        serve: impl FnOnce(Builder<'static>) -> Builder<'static>,
    ) -> Keyring {
        let runtime = background();
        let address = format!("unix:path={}", self.runtime_dir().join("bus").display());
        let builder = serve(Builder::address(address.as_str()));
        let bus = runtime.block_on(async { builder.build().await.unwrap() });
        Keyring { child: None, runtime, bus, answer, shown }
    }

    /// The output of `secret-tool`. `None` if it finds nothing.
    pub fn secret_tool(&self, arguments: &[&str], input: &str) -> Option<String> {
        let mut command = self.command("secret-tool");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("secret-tool is installed (Debian: libsecret-tools)");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Keyring {
    /// Starts the keyring like a login with a password: unlocked, with a default collection, which is created if
    /// necessary.
    pub fn start(&mut self, bed: &Testbed) {
        self.spawn(bed, &["--unlock"], PASSWORD);
    }

    /// Starts the keyring like a login without a password.
    pub fn start_locked(&mut self, bed: &Testbed) {
        self.spawn(bed, &[], "");
    }

    /// Starts another, unlocked keyring, which replaces the first.
    pub fn replace(&mut self, bed: &Testbed) {
        let first = self.child.take();
        self.spawn(bed, &["--unlock", "--replace"], PASSWORD);
        if let Some(mut first) = first {
            assert!(super::process::ends(&first), "the first keyring did not end in time");
            first.wait().unwrap();
        }
    }

    fn spawn(&mut self, bed: &Testbed, arguments: &[&str], password: &str) {
        assert!(self.child.is_none(), "a keyring is already running");
        let mut command = bed.command("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let before = self.owner();
        let (bus, runtime) = (self.bus.clone(), self.runtime.clone());
        let child = runtime.block_on(async {
            let names = DBusProxy::new(&bus).await.unwrap();
            let mut owners = names.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
            let mut child =
                command.spawn().expect("gnome-keyring-daemon is installed (Debian: gnome-keyring)");
            child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
            let owned = async {
                while let Some(change) = owners.next().await {
                    let owner = change.args().unwrap().new_owner;
                    if owner.as_ref().is_some_and(|new| before.as_ref().is_none_or(|old| *new != **old)) {
                        return;
                    }
                }
            };
            timeout(PATIENCE, owned).await.expect("the keyring starts in time");
            child
        });
        self.child = Some(child);
    }

    fn owner(&self) -> Option<OwnedUniqueName> {
        self.runtime.block_on(async {
            let names = DBusProxy::new(&self.bus).await.unwrap();
            names.get_name_owner(BusName::try_from(NAME).unwrap()).await.ok()
        })
    }

    /// Kills the keyring.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the keyring runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Suspends the keyring until [`resume`](Self::resume).
    pub fn hang(&self) {
        kill_process(self.id(), Signal::STOP).unwrap();
    }

    /// Ends [`hang`](Self::hang).
    pub fn resume(&self) {
        kill_process(self.id(), Signal::CONT).unwrap();
    }

    fn id(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("the keyring runs"))
    }

    /// Locks the default collection.
    pub fn lock(&self) {
        let collections = [ObjectPath::try_from(LOGIN).unwrap()];
        self.call("org.freedesktop.Secret.Service", "Lock", &(&collections[..],));
        assert!(self.is_locked());
    }

    /// Unlocks the default collection without a dialog, as another program may do.
    pub fn unlock(&self) {
        let password = self.secret(PASSWORD);
        let login = ObjectPath::try_from(LOGIN).unwrap();
        self.call(UNSUPPORTED, "UnlockWithMasterPassword", &(login, password));
        assert!(!self.is_locked());
    }

    /// Makes another collection the default. It is empty and unlocked.
    pub fn make_another_default(&self) {
        let label = [("org.freedesktop.Secret.Collection.Label", Variant::from("another"))];
        let properties = std::collections::HashMap::from(label);
        let made = self.call(UNSUPPORTED, "CreateWithMasterPassword", &(properties, self.secret("another")));
        let collection: OwnedObjectPath = made.body().deserialize().unwrap();
        self.call("org.freedesktop.Secret.Service", "SetAlias", &("default", collection));
    }

    fn is_locked(&self) -> bool {
        let arguments = ("org.freedesktop.Secret.Collection", "Locked");
        let reply = self.call_at(LOGIN, "org.freedesktop.DBus.Properties", "Get", &arguments);
        bool::try_from(reply.body().deserialize::<Variant<'_>>().unwrap()).unwrap()
    }

    /// A password in the form that the keyring accepts.
    fn secret(&self, text: &'static str) -> (OwnedObjectPath, &'static [u8], &'static [u8], &'static str) {
        let opened =
            self.call("org.freedesktop.Secret.Service", "OpenSession", &("plain", Variant::from("")));
        let (_, session): (OwnedVariant, OwnedObjectPath) = opened.body().deserialize().unwrap();
        (session, &[], text.as_bytes(), "text/plain")
    }

    fn call<B>(&self, interface: &str, method: &str, arguments: &B) -> zbus::Message
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.call_at(SERVICE, interface, method, arguments)
    }

    fn call_at<B>(&self, path: &str, interface: &str, method: &str, arguments: &B) -> zbus::Message
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let call = self.bus.call_method(Some(NAME), path, Some(interface), method, arguments);
        self.runtime
            .block_on(async { timeout(PATIENCE, call).await })
            .expect("the keyring answers in time")
            .unwrap()
    }

    /// Sets what the user does at each dialog from now on, and at the open one. At first, the user presses Escape.
    pub fn answer(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    /// The number of dialogs that were shown.
    pub fn dialogs(&self) -> usize {
        *self.shown.borrow()
    }

    /// Waits until this many dialogs were shown.
    pub fn wait_for_dialogs(&mut self, number: usize) {
        let shown = self.shown.wait_for(|shown| *shown >= number);
        let shown = self.runtime.block_on(async { timeout(PATIENCE, shown).await.map(drop) });
        shown.expect("the dialogs are shown in time");
    }
}

/// The interface that GNOME's own programs use to unlock and create collections without a dialog.
const UNSUPPORTED: &str = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";

impl Drop for Keyring {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// A runtime on its own thread, which runs until the test's process ends.
fn background() -> Handle {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
}
