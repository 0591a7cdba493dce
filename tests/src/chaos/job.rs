//! A running `imgurctl` command and its result.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::browser;
use crate::testbed::{Testbed, binary};

/// What a command is for, which decides how its end is recorded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Purpose {
    Token,
    /// The token that was reported as rejected.
    Reject(String),
    Login,
    /// The imported refresh token.
    Import(String),
    Logout,
    Other,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// The exit status. `None` if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

/// A running command.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) purpose: Purpose,
    pub(super) command: String,
    /// The most time that it may take.
    pub(super) bound: Duration,
    pub(super) begun: Instant,
    end: Receiver<End>,
}

impl Job {
    /// Starts `imgurctl` with these arguments and this input. With `user`, the command is a login, and this user
    /// allows access.
    pub(super) fn start(
        bed: &Testbed,
        purpose: Purpose,
        arguments: &[&str],
        input: &str,
        bound: Duration,
        user: Option<&'static str>,
    ) -> Self {
        let mut command = bed.command(binary("imgurctl"));
        command.args(arguments);
        let (sender, end) = channel();
        let (begun, input) = (Instant::now(), input.to_owned());
        thread::spawn(move || {
            let _ = sender.send(run(command, &input, user, begun));
        });
        Self { purpose, command: arguments.join(" "), bound, begun, end }
    }

    /// The end of the command. `None` if it is still running after `patience`.
    pub(super) fn ended(&self, patience: Duration) -> Option<End> {
        self.end.recv_timeout(patience).ok()
    }
}

fn run(mut command: Command, input: &str, user: Option<&str>, begun: Instant) -> End {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("imgurctl is built");
    let _ = child.stdin.take().expect("the stream is a pipe").write_all(input.as_bytes());
    let stderr = child.stderr.take().expect("the stream is a pipe");
    let complaint = thread::spawn(move || all_of(stderr));
    let stdout = output(&mut child, user);
    let code = child.wait().ok().and_then(|status| status.code());
    let took = begun.elapsed();
    End { code, stdout, stderr: complaint.join().unwrap_or_default(), took }
}

fn output(child: &mut Child, user: Option<&str>) -> String {
    let mut stdout = BufReader::new(child.stdout.take().expect("the stream is a pipe"));
    let mut first = String::new();
    if let Some(user) = user {
        let _ = stdout.read_line(&mut first);
        let url = first.trim().to_owned();
        // If the page is unreachable, the login ends by its own timeout.
        let user = user.to_owned();
        let _ = thread::spawn(move || browser::allow(&url, &user)).join();
    }
    first + &all_of(stdout)
}

fn all_of(mut stream: impl Read) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
