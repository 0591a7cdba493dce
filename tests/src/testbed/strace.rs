//! Observes the system calls of a program, and makes them fail, with `strace(1)`.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use super::{Daemon, Output, Program, Testbed};

/// All calls that create, write, sync and name files.
pub const FILE_CALLS: &str = "/^(open|openat|creat|write|pwrite64|writev|fsync|fdatasync|(f?chmod|link|rename|mkdir|unlink)(at2?)?|ftruncate|truncate)$";

/// A tracer that is attached to a daemon. Dropping it ends its faults.
#[derive(Debug)]
pub struct Strace {
    tracer: Program,
    trace: PathBuf,
}

impl Testbed {
    /// Observes these calls of a daemon.
    pub fn watch_calls(&self, daemon: &Daemon, calls: &str) -> Strace {
        self.attach(daemon, &["-e", &format!("trace={calls}")])
    }

    /// Injects `fault` into calls of a daemon until the tracer is detached. Example: `fsync:error=EIO`.
    pub fn inject(&self, daemon: &Daemon, fault: &str) -> Strace {
        let calls = fault.split(':').next().unwrap_or_default();
        self.attach(daemon, &["-e", &format!("trace={calls}"), "-e", &format!("inject={fault}")])
    }

    fn attach(&self, daemon: &Daemon, arguments: &[&str]) -> Strace {
        let trace = self.root().join(format!("trace-{}", daemon.id()));
        let mut command = self.command("sh");
        // strace prints on its standard error that it is attached.
        command.args(["-c", "exec strace \"$@\" 2>&1", "strace", "-f", "-y", "-o"]).arg(&trace);
        command.args(arguments).args(["-p", &daemon.id().to_string()]);
        let mut tracer = self.start(command);
        tracer.line_where(|line| line.contains(" attached"));
        Strace { tracer, trace }
    }

    /// Runs a program to its end, and returns its calls.
    pub fn trace(&self, program: &str, arguments: &[&str]) -> (Output, Vec<Call>) {
        let trace = self.root().join("trace");
        let mut command = self.command("strace");
        command.args(["-f", "-y", "-e", &format!("trace={FILE_CALLS}"), "-o"]).arg(&trace);
        command.arg(super::binary(program)).args(arguments);
        let output = self.start(command).finish();
        (output, parse(&fs::read_to_string(trace).unwrap()))
    }
}

impl Strace {
    /// Detaches from the daemon, and returns the observed calls.
    pub fn detach(self) -> Vec<Call> {
        self.tracer.signal(Signal::INT);
        self.ended()
    }

    /// Returns the observed calls of a daemon that has ended.
    pub fn ended(self) -> Vec<Call> {
        self.tracer.finish();
        parse(&fs::read_to_string(self.trace).unwrap())
    }
}

/// A system call and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: String,
    /// Its result. Empty if it did not return.
    pub result: String,
    /// The line in the trace in which it began.
    pub begin: usize,
    /// The line in the trace in which it ended.
    pub end: usize,
}

impl Call {
    /// Whether it succeeded.
    pub fn succeeded(&self) -> bool {
        !self.result.is_empty() && !self.result.starts_with('-')
    }

    /// The paths in its arguments.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.arguments.split('"').skip(1).step_by(2).map(PathBuf::from).collect()
    }

    /// The file of the first file descriptor in its arguments.
    pub fn file(&self) -> Option<PathBuf> {
        let (_, rest) = self.arguments.split_once('<')?;
        let (path, _) = rest.split_once('>')?;
        Some(PathBuf::from(path))
    }
}

/// The calls in the order of their beginning. strace writes a call in two parts if another thread interrupts it.
fn parse(trace: &str) -> Vec<Call> {
    let mut calls: Vec<(String, Call)> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, line)) = line.split_once(' ') else { continue };
        let line = line.trim_start();
        if let Some((_, rest)) = line.split_once(" resumed>") {
            let begun = calls.iter_mut().rev().find(|(of, call)| of == thread && call.result.is_empty());
            let (_, call) = begun.expect("a call that resumes has begun");
            let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
            call.arguments.push_str(arguments.trim_end());
            (call.result, call.end) = (result.to_owned(), number);
        } else if let Some((name, rest)) = line.split_once('(').filter(|_| !line.starts_with(['+', '-'])) {
            let rest = rest.trim_end_matches(" <unfinished ...>");
            let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
            let (arguments, result) = (arguments.trim_end().to_owned(), result.to_owned());
            let call = Call { name: name.to_owned(), arguments, result, begin: number, end: number };
            calls.push((thread.to_owned(), call));
        }
    }
    calls.into_iter().map(|(_, call)| call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_the_two_parts_of_a_call() {
        let calls = parse(
            "7     fsync(9</a/new> <unfinished ...>\n8     openat(AT_FDCWD</>, \"/b\", O_RDONLY) = -1 ENOENT (No such file)\n\
             7     <... fsync resumed>)              = 0\n7     rename(\"/a/new\", \"/a/b\" <unfinished ...>\n\
             7     +++ killed by SIGKILL +++\n",
        );
        assert_eq!(
            calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(),
            ["fsync", "openat", "rename"]
        );
        assert_eq!((calls[0].begin, calls[0].end, calls[0].succeeded()), (0, 2, true));
        assert_eq!(calls[0].file(), Some("/a/new".into()));
        assert!(!calls[1].succeeded() && !calls[2].succeeded());
        assert_eq!(calls[2].paths(), [PathBuf::from("/a/new"), PathBuf::from("/a/b")]);
    }
}
