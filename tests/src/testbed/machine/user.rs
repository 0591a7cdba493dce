//! The users of a machine, and their programs.

use std::process::Command;
use std::sync::Arc;

use super::{BINARIES, Machine};
use crate::testbed::{Output, Program};

/// Enters the machine, and becomes the user $0 without any privilege of root.
const ENTER: &str = r#"echo $$ >"$1/cgroup.procs" && target=$2 && shift 2 &&
exec nsenter --target="$target" --mount --uts --ipc --net --pid --cgroup sh -c "$BECOME" "$0" "$@""#;

/// Keeps variables that are set, and adds those of the user's session.
const BECOME: &str = r#"user=$0 uid=$(id -u "$0") && unset BECOME &&
export USER="$user" LOGNAME="$user" HOME="${HOME-$(getent passwd "$user" | cut -d: -f6)}" || exit
[ "$uid" = 0 ] || export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR-/run/user/$uid}" \
    DBUS_SESSION_BUS_ADDRESS="${DBUS_SESSION_BUS_ADDRESS-unix:path=/run/user/$uid/bus}"
cd "$(getent passwd "$user" | cut -d: -f6)" &&
exec setpriv --reuid="$uid" --regid="$(id -g "$user")" --init-groups --pdeathsig=KILL "$@""#;

impl Machine {
    /// Adds a user with a home directory, a service manager and a session bus, which run without a login
    /// (`loginctl(1)`, `enable-linger`).
    pub fn add_user(&self, name: &str) {
        self.add_user_at(name, &format!("/home/{name}"));
    }

    /// Adds such a user with this home directory.
    pub fn add_user_at(&self, name: &str, home: &str) {
        self.run("root", &["useradd", "--create-home", "--home-dir", home, "--shell=/bin/sh", name])
            .success();
        self.run("root", &["loginctl", "enable-linger", name]).success();
        let id = self.user_id(name);
        // Returns when the service manager runs. The bus is one of its first sockets (systemd.special(7)).
        self.run("root", &["systemctl", "start", &format!("user@{id}.service")]).success();
    }

    /// The ID of a user.
    pub fn user_id(&self, name: &str) -> u32 {
        self.run("root", &["id", "--user", name]).success().line().parse().unwrap()
    }

    /// A command of the user in the home directory, with our programs in `PATH`, and the user's runtime directory and
    /// session bus. `root` has those of the system. The command is in no unit. It is killed with the process that
    /// the test started.
    pub fn command(&self, user: &str, program: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .env_clear()
            .env("PATH", format!("{BINARIES}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"))
            .env("BECOME", BECOME)
            .args(["-c", ENTER, user])
            .arg(self.cgroups.entrance())
            .arg(self.first.to_string())
            .arg(program)
            .current_dir("/");
        command
    }

    /// Starts a [command](Self::command). Its output is searched for secrets.
    pub fn start(&self, command: Command) -> Program {
        Program::spawn(command, Arc::clone(&self.outputs))
    }

    /// Runs a command of the user to its end.
    pub fn run(&self, user: &str, command: &[&str]) -> Output {
        self.run_with(user, command, "")
    }

    /// Runs a command of the user to its end, with this input.
    pub fn run_with(&self, user: &str, command: &[&str], input: &str) -> Output {
        let mut program = self.command(user, command[0]);
        program.args(&command[1..]);
        let mut program = self.start(program);
        program.write(input);
        program.finish()
    }

    /// Writes a file as the user. Creates the directory if necessary.
    pub fn write(&self, user: &str, path: &str, text: &str) {
        let script = r#"mkdir -p "$(dirname "$1")" && cat >"$1""#;
        self.run_with(user, &["sh", "-c", script, "sh", path], text).success();
    }
}
