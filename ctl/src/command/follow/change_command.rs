//! The command that runs after each change of the file.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::failure::Failure;
use crate::memory;
use crate::terminal::output::Output;

pub(super) struct ChangeCommand {
    name: String,
    changes: SyncSender<()>,
    is_running: Arc<AtomicBool>,
    output: Output,
}

impl ChangeCommand {
    /// Runs commands in its own thread, so that a slow command does not delay tokens. `None` without words.
    pub(super) fn new(words: &[OsString], output: &Output) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        let (sender, changes) = sync_channel(1);
        let command = Self {
            name: program.to_string_lossy().into_owned(),
            changes: sender,
            is_running: Arc::default(),
            output: output.clone(),
        };
        let (program, arguments, output) = (program.clone(), arguments.to_vec(), output.clone());
        let is_running = Arc::clone(&command.is_running);
        thread::spawn(move || {
            for () in changes {
                is_running.store(true, Ordering::Relaxed);
                if let Err(failure) = run(&program, &arguments) {
                    output.report(&failure);
                }
                is_running.store(false, Ordering::Relaxed);
            }
        });
        Some(command)
    }

    /// Starts the command soon. All changes during one run lead to one more run.
    pub(super) fn run(&self) {
        if self.is_running.load(Ordering::Relaxed) {
            self.output.say(format!(
                "{} still runs after the last change; imgurctl runs it again when it ends.",
                self.name
            ));
        }
        let _ = self.changes.try_send(());
    }
}

fn run(program: &OsStr, arguments: &[OsString]) -> Result<(), Failure> {
    let name = program.to_string_lossy();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    // Not until it ends, because the limit is for core files of this process too.
    let started = memory::with_own_limit(|| command.spawn());
    let status = started.and_then(|mut child| child.wait());
    let status = status.map_err(|error| Failure::not_started(&name, &error))?;
    if status.success() {
        return Ok(());
    }
    let reason =
        format!("{name} failed after the file changed ({status}); check its output, or run it yourself");
    Err(Failure::Other(reason))
}
