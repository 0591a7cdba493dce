//! `imgurctl exec --on-refresh`: tells a long-running command about new tokens.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use imgurd_proto::text::cause;
use imgurd_proto::{GetToken, Token};
use rustix::process::{Pid, Signal, kill_process};

use super::program::{command, not_started};
use super::signals;
use crate::app::App;
use crate::cli::{ExecArgs, OnRefresh};
use crate::command::follow::{self, Tokens};
use crate::failure::Failure;
use crate::memory;

enum Event {
    Token(Token),
    Signal(Signal),
}

pub(super) struct Supervisor<'a> {
    app: &'a App,
    args: &'a ExecArgs,
    on_refresh: OnRefresh,
    child: Child,
    events: Receiver<Event>,
    /// The token for the next start, once the command was asked to end.
    next: Option<Token>,
    /// Whether a signal asked to end the command.
    is_ending: bool,
}

impl<'a> Supervisor<'a> {
    pub(super) fn start(
        app: &'a App,
        args: &'a ExecArgs,
        on_refresh: OnRefresh,
        token: Token,
    ) -> Result<Self, Failure> {
        let (sender, events) = channel();
        let to = sender.clone();
        signals::receive(move |signal| drop(to.send(Event::Signal(signal)))).map_err(|error| {
            Failure::Other(format!(
                "cannot receive signals: {error}; leave out --on-refresh",
                error = cause(&error)
            ))
        })?;
        let child = spawn(app, args, &token)?;
        let app_of_thread = app.clone();
        thread::spawn(move || follow_tokens(&app_of_thread, token, sender));
        Ok(Self { app, args, on_refresh, child, events, next: None, is_ending: false })
    }

    /// Runs until the command ends.
    pub(super) fn supervise(mut self) -> Result<(), Failure> {
        while let Ok(event) = self.events.recv() {
            match event {
                Event::Token(token) => self.pass_on(token),
                Event::Signal(Signal::CHILD) => {
                    if let Some(status) = self.child.try_wait().map_err(|error| lost(&error))? {
                        let Some(token) = self.next.take() else { return concluded(status) };
                        self.child = spawn(self.app, self.args, &token)?;
                    }
                }
                Event::Signal(signal) => self.forward(signal),
            }
        }
        concluded(self.child.wait().map_err(|error| lost(&error))?)
    }

    fn pass_on(&mut self, token: Token) {
        match self.on_refresh {
            OnRefresh::Signal(signal) => self.send(signal),
            OnRefresh::Restart if self.is_ending => {}
            OnRefresh::Restart => {
                // If it is already ending, the next start uses the newest token.
                if self.next.replace(token).is_none() {
                    self.app.output.say("Restarting the command with a new token.");
                    self.send(Signal::TERM);
                }
            }
        }
    }

    /// Passes a signal on. A signal that ends the command also cancels a restart.
    fn forward(&mut self, signal: Signal) {
        self.is_ending |= signal == Signal::TERM;
        if !matches!(signal, Signal::USR1 | Signal::USR2) {
            self.next = None;
        }
        if !signals::is_from_terminal(signal) {
            self.send(signal);
        }
    }

    /// Sends a signal to the command. The child is reaped only after this program has noticed its end, so its PID is
    /// not reused.
    fn send(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }
}

fn spawn(app: &App, args: &ExecArgs, token: &Token) -> Result<Child, Failure> {
    let mut command = command(app, args, token)?;
    memory::with_own_limit(|| command.spawn()).map_err(|error| not_started(args, &error))
}

struct ToSupervisor(Sender<Event>);

impl follow::Receiver for ToSupervisor {
    fn receive(&mut self, token: &Token) -> Result<(), Failure> {
        let _ = self.0.send(Event::Token(token.clone()));
        Ok(())
    }
}

/// Reports why no more tokens will come; the command keeps running.
fn follow_tokens(app: &App, token: Token, sender: Sender<Event>) {
    let call = GetToken { account: Some(token.account.clone()), ..GetToken::default() };
    Tokens::new(app, call, Some(token), ToSupervisor(sender)).follow();
}

fn lost(error: &std::io::Error) -> Failure {
    Failure::Other(format!(
        "cannot wait for the command: {error}; look for it with `ps`",
        error = cause(&error)
    ))
}

/// The exit status like in a shell.
fn concluded(status: ExitStatus) -> Result<(), Failure> {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(0) => Ok(()),
        code => Err(Failure::Ended(code.unwrap_or(1))),
    }
}
