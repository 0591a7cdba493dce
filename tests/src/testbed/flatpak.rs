//! Real Flatpak applications, whose runtime is built from `/usr` and which can run any program in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::{APPLICATION, Sandbox, Testbed, binary, needs_root};

/// A second installed application.
pub const OTHER_APPLICATION: &str = "org.example.Other";

/// Binds the session's runtime directory, because Flatpak does not expose directories below `/dev/shm`, where
/// testbeds are. Hides the rest of the machine's `/run`.
const RUN: &str = r#"
set -e
mount -t tmpfs tmpfs /run
mkdir -p "/run/user/$1" /run/home
mount --bind "$XDG_RUNTIME_DIR" "/run/user/$1"
mount --bind "$HOME" /run/home
export XDG_RUNTIME_DIR="/run/user/$1" HOME=/run/home
shift
cd /
exec "$@"
"#;

/// An installed Flatpak application with chosen permissions. Its programs reach the testbed's session bus through
/// `xdg-dbus-proxy`. The runtime has `sh`, `cat`, `ls`, `sleep`, `env` and `python3` with the module `dbus`. It can
/// also run programs of this workspace by their [path](binary).
#[derive(Debug)]
pub struct Flatpak {
    installation: PathBuf,
    application: &'static str,
    permissions: Vec<String>,
    scope: Option<Sandbox>,
}

impl Flatpak {
    /// [`APPLICATION`] with these options of `flatpak run`, such as `--filesystem=xdg-run/imgurd`. Without a user
    /// service manager Flatpak makes no scope, so the programs stay in the test's cgroup. `None` if the test [does
    /// not run as root](needs_root).
    pub fn new(permissions: &[&str]) -> Option<Self> {
        let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
        needs_root("a Flatpak application").then(|| Self {
            installation: installation(),
            application: APPLICATION,
            permissions,
            scope: None,
        })
    }

    /// [`OTHER_APPLICATION`] with the same permissions.
    pub fn other(self) -> Self {
        assert!(self.scope.is_none(), "the application changes before its scope is started");
        Self { application: OTHER_APPLICATION, ..self }
    }

    /// Puts the application and its proxy into a scope with the name that Flatpak would use.
    pub fn in_scope(self) -> Self {
        let scope = Sandbox::of(self.application);
        Self { scope, ..self }
    }

    /// A command that runs `program` in the application.
    pub fn command(&self, bed: &Testbed, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = match &self.scope {
            Some(scope) => scope.command(bed, "unshare"),
            None => bed.command("unshare"),
        };
        let user = rustix::process::getuid().as_raw().to_string();
        let programs = binary("imgurctl");
        command
            .env("FLATPAK_USER_DIR", &self.installation)
            .env("FLATPAK_SYSTEM_DIR", bed.root().join("flatpak"))
            .args(["--mount", "--propagation", "private", "sh", "-c", RUN, "sh", &user])
            .args(["flatpak", "run", "--user", "--die-with-parent"])
            .arg(format!("--filesystem={}:ro", programs.parent().unwrap().display()))
            .args(&self.permissions);
        let mut entry = std::ffi::OsString::from("--command=");
        entry.push(program.as_ref());
        command.arg(entry).arg(self.application).args(arguments);
        command
    }
}

/// The directory with the installed applications. It is built once, and again if the script or its programs from
/// `/usr` have changed.
fn installation() -> PathBuf {
    const SCRIPT: &str = include_str!("flatpak.sh");
    let room = binary("imgurctl").with_file_name("flatpak");
    fs::create_dir_all(&room).unwrap();
    let lock = File::create(room.join("lock")).unwrap();
    lock.lock().unwrap();
    let ready = room.join(key(SCRIPT));
    if !ready.exists() {
        remove_all(&room, &["lock"]).unwrap();
        let new = room.join("new");
        let mut build = Command::new("sh");
        build.args(["-c", SCRIPT, "sh"]).arg(&new).args([APPLICATION, OTHER_APPLICATION]);
        let output = build.stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success(),
            "the Flatpak was not built: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::rename(new, &ready).unwrap();
    }
    ready
}

fn remove_all(directory: &Path, except: &[&str]) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !except.iter().any(|name| entry.file_name() == *name) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// A file name that identifies the contents of the installation.
fn key(script: &str) -> String {
    let mut hash = Sha256::new_with_prefix(script);
    for program in ["/usr/bin/flatpak", "/usr/bin/python3", "/bin/sh"] {
        let is = fs::metadata(program).expect("flatpak and python3 are installed: see tests/packages");
        hash.update(format!("{program} {} {} ", is.len(), is.mtime()));
    }
    let mut name = format!("{:x}", hash.finalize());
    name.truncate(16);
    name
}
