//! A remote machine over SSH: a real sshd on this machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Program, Testbed, binary, free_port};

/// An `sshd` to which its own user can log in, with another runtime directory. Dropping it kills the server.
#[derive(Debug)]
pub struct RemoteMachine {
    _server: Program,
    directory: PathBuf,
}

impl Testbed {
    /// Starts an `sshd` with these further lines in its `sshd_config`. `ssh` calls it `far`, with these further lines
    /// in `ssh_config`.
    pub fn remote_machine(&self, server: &str, client: &str) -> RemoteMachine {
        let directory = self.root().join("far");
        let at = |name: &str| directory.join(name).display().to_string();
        let runtime_dir = runtime_dir(&directory);
        fs::create_dir_all(&runtime_dir).unwrap();
        fs::set_permissions(&runtime_dir, Permissions::from_mode(0o700)).unwrap();
        let port = free_port();
        let host_key = self.new_key(&directory, "host_key");
        fs::write(at("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        fs::write(at("authorized_keys"), self.new_key(&directory, "key")).unwrap();
        let programs = binary("imgurctl").parent().unwrap().display().to_string();
        fs::write(
            at("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
                 PasswordAuthentication no\nStrictModes no\nSetEnv PATH={programs}:/usr/bin:/bin XDG_RUNTIME_DIR={}\n\
                 {server}\n",
                at("host_key"),
                at("authorized_keys"),
                runtime_dir.display(),
            ),
        )
        .unwrap();
        fs::write(
            at("ssh_config"),
            format!(
                "Host far\n    HostName 127.0.0.1\n    Port {port}\n    IdentityFile {}\n    IdentitiesOnly yes\n    \
                 UserKnownHostsFile {}\n    StrictHostKeyChecking yes\n{client}\n",
                at("key"),
                at("known_hosts"),
            ),
        )
        .unwrap();
        RemoteMachine { _server: self.sshd(&at("sshd_config")), directory }
    }

    /// Creates a key pair, and returns the public key.
    fn new_key(&self, directory: &Path, name: &str) -> String {
        let mut command = self.command("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(name));
        self.start(command).finish().success();
        fs::read_to_string(directory.join(format!("{name}.pub"))).unwrap()
    }

    fn sshd(&self, configuration: &str) -> Program {
        // The directory for sshd's privilege separation. A service manager that starts sshd creates it.
        let _ = fs::create_dir("/run/sshd");
        let mut command = self.command("sh");
        command.args(["-c", r#"exec /usr/sbin/sshd -D -e -f "$0" 2>&1"#, configuration]);
        let mut server = self.start(command);
        server.line_where(|line| line.starts_with("Server listening on"));
        server
    }
}

impl RemoteMachine {
    /// `$XDG_RUNTIME_DIR` on the remote machine.
    pub fn runtime_dir(&self) -> PathBuf {
        runtime_dir(&self.directory)
    }

    /// The command `ssh` with the configuration.
    pub fn ssh(&self, bed: &Testbed, arguments: &[&str]) -> Command {
        let mut command = bed.command("ssh");
        command.arg("-F").arg(self.configuration()).args(arguments);
        command
    }

    /// The path of the `ssh` configuration.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("ssh_config")
    }
}

/// The runtime directory of the user, as logind names it.
fn runtime_dir(root: &Path) -> PathBuf {
    root.join(format!("run/user/{}", rustix::process::getuid().as_raw()))
}
