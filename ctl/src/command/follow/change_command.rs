//! The command that runs after each change of the file.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::failure::Failure;
use crate::memory;
use crate::terminal::output::Output;

pub(super) struct ChangeCommand(SyncSender<()>);

impl ChangeCommand {
    /// Runs commands in its own thread, so that a slow command does not delay tokens. `None` without words.
    pub(super) fn new(words: &[OsString], output: &Output) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        let (program, arguments, output) = (program.clone(), arguments.to_vec(), output.clone());
        let (sender, changes) = sync_channel(1);
        thread::spawn(move || {
            for () in changes {
                if let Err(failure) = run(&program, &arguments) {
                    output.report(&failure);
                }
            }
        });
        Some(Self(sender))
    }

    /// Starts the command soon. All changes during one run lead to one more run.
    pub(super) fn run(&self) {
        let _ = self.0.try_send(());
    }
}

fn run(program: &OsStr, arguments: &[OsString]) -> Result<(), Failure> {
    let name = program.to_string_lossy();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let status = memory::with_own_limit(|| command.status());
    let status = status.map_err(|error| Failure::not_started(&name, &error))?;
    if status.success() {
        return Ok(());
    }
    let reason =
        format!("{name} failed after the file changed ({status}); check its output, or run it yourself");
    Err(Failure::Other(reason))
}
