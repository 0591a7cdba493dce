//! A scripted daemon, which records the calls that it gets.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The time after which a hanging test fails. No correct call takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One call, and the means to answer it.
pub(crate) struct Call {
    /// The name of the method, without the interface.
    pub(crate) method: String,
    pub(crate) parameters: Value,
    pub(crate) more: bool,
    stream: UnixStream,
}

impl Call {
    /// Sends the last answer.
    pub(crate) fn reply(&mut self, parameters: &Value) {
        self.write(&json!({ "parameters": parameters }));
    }

    /// Sends an answer that others follow.
    pub(crate) fn reply_more(&mut self, parameters: &Value) {
        self.write(&json!({ "parameters": parameters, "continues": true }));
    }

    /// Sends an error, by its name in the interface.
    pub(crate) fn refuse(&mut self, error: &str, parameters: &Value) {
        self.refuse_as(&format!("org.imgurd.Keeper1.{error}"), parameters);
    }

    /// Sends an error, by its full name.
    pub(crate) fn refuse_as(&mut self, error: &str, parameters: &Value) {
        self.write(&json!({ "error": error, "parameters": parameters }));
    }

    /// Returns when the client has closed the connection. If it never does, this closes it, and the test fails.
    pub(crate) fn wait_for_hang_up(&mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
        let _ = self.stream.read(&mut [0]);
    }

    fn write(&mut self, message: &Value) {
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        // In some tests the client has left already.
        let _ = self.stream.write_all(&bytes);
    }
}

/// A recorded call: connection, method, parameters.
pub(crate) type Asked = (usize, String, Value);

pub(crate) struct FakeDaemon {
    pub(crate) home: Home,
    asked: Receiver<Asked>,
}

impl FakeDaemon {
    pub(crate) fn start(script: impl Fn(&mut Call) + Send + Sync + 'static) -> Self {
        let home = Home::new();
        let listener = UnixListener::bind(home.path().join("imgurd/socket")).expect("binds");
        let (sender, asked) = mpsc::channel();
        let script = Arc::new(script);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (stream, script, sender) =
                    (stream.expect("accepts"), Arc::clone(&script), sender.clone());
                thread::spawn(move || {
                    serve(&stream, |call| {
                        let _ = sender.send((connection, call.method.clone(), call.parameters.clone()));
                        script(call);
                    });
                });
            }
        });
        Self { home, asked }
    }

    /// Answers every call of `method` with these parameters, and knows no other method.
    pub(crate) fn answering(method: &'static str, parameters: Value) -> Self {
        Self::start(move |call| {
            if call.method == method {
                call.reply(&parameters);
            } else {
                call.refuse_as("org.varlink.service.MethodNotFound", &json!({ "method": call.method }));
            }
        })
    }

    /// Answers every call with this error.
    pub(crate) fn refusing(error: &'static str, parameters: Value) -> Self {
        Self::start(move |call| call.refuse(error, &parameters))
    }

    /// The next recorded call.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).expect("a call")
    }

    /// The parameters of the next call, which must be one of `method`.
    pub(crate) fn asked_for(&self, method: &str) -> Value {
        let (_, name, parameters) = self.asked();
        assert_eq!(name, method);
        parameters
    }
}

fn serve(stream: &UnixStream, answer: impl Fn(&mut Call)) {
    for message in BufReader::new(stream).split(0) {
        let Ok(Ok(message)) = message.map(|bytes| serde_json::from_slice::<Value>(&bytes)) else {
            return;
        };
        let method = message["method"].as_str().expect("a method");
        let mut call = Call {
            method: method.rsplit('.').next().expect("a name").into(),
            parameters: message["parameters"].clone(),
            more: message["more"] == true,
            stream: stream.try_clone().expect("clones"),
        };
        answer(&mut call);
    }
}

/// The directories of a user, and the program that runs in them.
pub(crate) struct Home(TempDir);

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the program exits without a signal"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(TempDir::new().expect("a directory"));
        std::fs::create_dir(home.path().join("imgurd")).expect("a directory");
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgurctl"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_RUNTIME_DIR", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BROWSER", "true")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs it with this text on standard input.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = self.command(args).spawn().expect("runs");
        let mut pipe = child.stdin.take().expect("a pipe");
        // A command that does not read may have ended already.
        let _ = pipe.write_all(stdin.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("ends").into()
    }
}

/// A fresh default account with this name.
pub(crate) fn account(name: &str) -> Value {
    json!({
        "name": name, "is_default": true, "username": "alice", "state": "fresh",
        "refused": false, "auto_refresh": true, "login_pending": false, "unsaved": false,
        "expires_at": 4_102_444_800_i64, "granted_at": 1_700_000_000,
        "settings": { "client_id": "0123456789abcde", "flow": "code",
            "redirect_uri": "http://127.0.0.1:8917/callback" },
    })
}

/// `account` with other values.
pub(crate) fn account_with(name: &str, changes: &Value) -> Value {
    let mut account = account(name);
    for (key, value) in changes.as_object().expect("an object") {
        account[key] = value.clone();
    }
    account
}

pub(crate) fn token() -> Value {
    json!({ "token": { "account": "me", "access_token": "s3cret", "token_type": "Bearer",
        "expires_at": 4_102_444_800_i64, "username": "alice" } })
}

/// The only line of `text`.
pub(crate) fn only_line(text: &str) -> &str {
    let line = text.strip_suffix('\n').expect("a line");
    assert!(!line.contains('\n'), "more than one line: {text}");
    line
}
