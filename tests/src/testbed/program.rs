//! A running program: `imgurctl`, or a program of another project.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::process::ends;
use crate::fake::PATIENCE;

/// The result of a program that has ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its exit code. `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Fails unless the exit code is 0.
    pub fn success(self) -> Self {
        self.exits(0)
    }

    /// Fails unless the exit code is this one.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code of `{}`\n{}", self.command_line(), self.stderr);
        self
    }

    /// The only line of its standard error. Fails if there is more, or anything on standard output.
    pub fn complaint(&self) -> &str {
        let command = self.command_line();
        assert_eq!(self.stdout, "", "standard output of the failed `{command}`");
        let line = self.stderr.strip_suffix('\n').unwrap_or_default();
        assert!(!line.is_empty() && !line.contains('\n'), "`{command}` said: {}", self.stderr);
        line
    }

    /// Its name and arguments.
    pub(super) fn command_line(&self) -> String {
        command_line(&self.program, &self.arguments)
    }

    /// Its standard output, parsed as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("standard output is JSON")
    }

    /// Its standard output without the final line end.
    pub fn line(&self) -> &str {
        self.stdout.trim_end_matches('\n')
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    child: Child,
    name: String,
    arguments: Vec<String>,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    outputs: Arc<Mutex<Vec<Output>>>,
}

impl Program {
    pub(super) fn spawn(mut command: Command, outputs: Arc<Mutex<Vec<Output>>>) -> Self {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let arguments = command.get_args().map(|text| text.to_string_lossy().into_owned()).collect();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self {
            input: child.stdin.take(),
            child,
            name,
            arguments,
            lines,
            stdout: Some(std::thread::spawn(move || read_lines(stdout, &sender))),
            stderr: Some(stderr),
            outputs,
        }
    }

    /// Writes to its standard input. It is no error if the program has ended.
    pub fn write(&mut self, text: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(text.as_bytes());
        }
    }

    /// Waits for the next line of its standard output. `None` if that is closed.
    pub fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("`{}` wrote no line in time", command_line(&self.name, &self.arguments))
            }
        }
    }

    /// Waits for a line that is `wanted`, and returns it.
    pub fn line_where(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line().expect("the program prints such a line before it ends");
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Closes its standard input, and waits until it ends.
    pub fn finish(mut self) -> Output {
        self.close_input();
        self.end()
    }

    /// Waits until it ends, with its standard input open.
    pub fn end(mut self) -> Output {
        let command = command_line(&self.name, &self.arguments);
        assert!(ends(&self.child), "`{command}` did not end in time");
        self.collect()
    }

    fn collect(&mut self) -> Output {
        let status = self.child.wait().unwrap();
        let text = |thread: Option<JoinHandle<String>>| thread.unwrap().join().unwrap();
        let output = Output {
            program: self.name.clone(),
            arguments: self.arguments.clone(),
            code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        };
        if self.name.ends_with("imgurctl") && !std::thread::panicking() {
            assert!(
                !output.stderr.contains("(os error"),
                "an error of imgurctl shows no error number: {}",
                output.stderr
            );
        }
        self.outputs.lock().unwrap().push(output.clone());
        output
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.stdout.is_some() {
            let _ = self.child.kill();
            self.collect();
        }
    }
}

fn command_line(program: &str, arguments: &[String]) -> String {
    format!("{program} {}", arguments.join(" "))
}

/// Sends each line to the channel, and returns all lines at the end.
fn read_lines(stdout: ChildStdout, lines: &Sender<String>) -> String {
    let mut stdout = BufReader::new(stdout);
    let mut all = String::new();
    loop {
        let mut line = Vec::new();
        if stdout.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return all;
        }
        let line = String::from_utf8_lossy(&line);
        all.push_str(&line);
        // The output is collected even if the test no longer reads it.
        let _ = lines.send(line.trim_end_matches('\n').to_owned());
    }
}
