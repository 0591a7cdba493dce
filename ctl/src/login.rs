//! Signing in, with a browser or by hand.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Sender};
use std::thread;

use imgurd_proto::text::printable;
use imgurd_proto::{
    Account, CancelLogin, Client, ClientError, CompleteLogin, Error, Login, LoginReply, Secret,
};

use crate::app::App;
use crate::cli::LoginArgs;
use crate::failure::Failure;
use crate::hidden::HiddenInput;
use crate::output::Output;
use crate::time::seconds;
use crate::{account, grant, input, memory};

const ANSWER: &str = "the PIN, the code or the whole URL that the browser ended up at";

/// What may happen next.
enum Event {
    Reply(Box<LoginReply>),
    Answer(Secret),
    Failed(Failure),
}

impl Event {
    fn replied(reply: Result<LoginReply, ClientError>) -> Self {
        reply.map_or_else(|error| Self::Failed(error.into()), |reply| Self::Reply(reply.into()))
    }

    fn answered(answer: Result<Secret, Failure>) -> Self {
        answer.map_or_else(Self::Failed, Self::Answer)
    }
}

pub(crate) fn login(app: &App, args: &LoginArgs) -> Result<(), Failure> {
    let account = app.account(args.account.as_deref())?;
    if args.cancel {
        return cancel(app, &account);
    }
    sign_in(app, args, &account).or_else(|failure| offer_to_change_over(app, &account, failure))
}

fn sign_in(app: &App, args: &LoginArgs, account: &Account) -> Result<(), Failure> {
    let opens_browser = !args.no_browser && !args.paste;
    let call = Login {
        account: Some(account.name.clone()),
        flow: args.flow,
        timeout_s: args.timeout.map(seconds),
        replace: args.replace.then_some(true),
        paste: args.paste.then_some(true),
    };
    let (sender, events) = mpsc::channel();
    follow(app.connect()?, call, sender.clone());

    let mut dialog = Dialog::new(app, opens_browser, sender);
    for event in events {
        match event {
            Event::Reply(reply) => match &reply.account {
                Some(account) => {
                    drop(dialog);
                    return conclude(app, account, reply.note.as_deref());
                }
                None => dialog.open(&reply)?,
            },
            Event::Answer(answer) => dialog.take_answer(answer)?,
            Event::Failed(failure) => return Err(failure),
        }
    }
    Err(unfinished().into())
}

/// Where somebody else than before signed in, their grant is set aside, and whose is used is for the person to say.
fn offer_to_change_over(app: &App, account: &Account, failure: Failure) -> Result<(), Failure> {
    let Failure::Client(ClientError::Keeper(Error::LoginFailed { set_aside: Some(user), .. })) = &failure
    else {
        return Err(failure);
    };
    if !input::is_interactive() || app.output.json {
        return Err(failure);
    }
    let name = &account.name;
    let holder = account.username.as_deref().unwrap_or("somebody else");
    let question = format!(
        "You signed in as {user}, but {name} holds {holder}'s grant. Use {user}'s from now on? [y/N] "
    );
    let answer = input::ask(&printable(&question))?;
    if !matches!(answer.to_lowercase().as_str(), "y" | "yes") {
        return Err(failure);
    }
    grant::restore(app, Some(name.clone()))
}

fn cancel(app: &App, account: &Account) -> Result<(), Failure> {
    match account.login_id.clone() {
        Some(login_id) => {
            app.call(&CancelLogin { login_id })?;
            app.output.say(format!("The sign-in to {} was cancelled.", account.name));
        }
        None => app.output.say(format!("Nobody is signing in to {}.", account.name)),
    }
    Ok(())
}

fn conclude(app: &App, account: &Account, note: Option<&str>) -> Result<(), Failure> {
    let text = format!("Signed in as {}.", account::person(account));
    account::conclude(app, account, text)?;
    if let Some(note) = note {
        app.output.say(format!("{}.", printable(note)));
    }
    Ok(())
}

/// Passes on each answer of the daemon. The login lasts as long as this connection, and so as this process.
fn follow(mut keeper: Client, call: Login, events: Sender<Event>) {
    thread::spawn(move || {
        let stream = match keeper.stream(&call) {
            Ok(stream) => stream,
            Err(error) => return drop(events.send(Event::replied(Err(error)))),
        };
        for reply in stream {
            if events.send(Event::replied(reply)).is_err() {
                return;
            }
        }
        let _ = events.send(Event::replied(Err(unfinished())));
    });
}

/// Whether a browser can show itself. Without a display one in text mode would take the terminal over.
pub(crate) fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(is_set)
}

fn no_browser() -> &'static str {
    if has_display() {
        "No browser could be opened. Open this page yourself:"
    } else {
        "There is no display here. Open this page in a browser on this machine, or end this and use --paste:"
    }
}

/// A stream that ended without an outcome.
fn unfinished() -> ClientError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// What is said to the person and heard from them while a login is open.
struct Dialog<'a> {
    app: &'a App,
    /// Whether the answer can only come by hand, as the daemon says.
    paste: bool,
    opens_browser: bool,
    events: Sender<Event>,
    login_id: String,
    /// Dropped with the dialog, whose end may come while somebody is typing.
    terminal: Option<HiddenInput>,
}

impl<'a> Dialog<'a> {
    fn new(app: &'a App, opens_browser: bool, events: Sender<Event>) -> Self {
        Self { app, paste: false, opens_browser, events, login_id: String::new(), terminal: None }
    }

    /// Says where to go, and what is needed from there.
    fn open(&mut self, reply: &LoginReply) -> Result<(), Failure> {
        self.login_id.clone_from(&reply.login_id);
        self.paste = reply.paste == Some(true);
        self.announce(reply)?;
        if self.paste { self.ask() } else { Ok(()) }
    }

    fn announce(&self, reply: &LoginReply) -> Result<(), Failure> {
        let url = reply.url.as_deref().unwrap_or_default();
        let opened =
            self.opens_browser && has_display() && memory::with_own_limit(|| webbrowser::open(url).is_ok());
        if self.app.output.json {
            Output::print_json(reply)?;
        } else if opened {
            self.app
                .output
                .say(format!("Opening your browser. Should no page appear, open this one:\n{url}"));
        } else {
            if self.opens_browser {
                self.app.output.say(no_browser());
            }
            Output::print(url)?;
        }
        if self.paste {
            self.app.output.say("Allow access on that page, then enter what it gives you.");
        } else if self.app.output.is_watched() {
            self.app.output.say("Waiting until you allow access on that page; Ctrl-C cancels.");
        }
        Ok(())
    }

    /// Reads an answer in a thread of its own, since the login may end first.
    fn ask(&mut self) -> Result<(), Failure> {
        let events = self.events.clone();
        if !io::stdin().is_terminal() {
            thread::spawn(move || events.send(Event::answered(input::line(ANSWER, "response"))));
            return Ok(());
        }
        let terminal = HiddenInput::begin().map_err(|error| input::unreadable(&error))?;
        let keys = terminal.keys().map_err(|error| input::unreadable(&error))?;
        self.terminal = Some(terminal);
        thread::spawn(move || {
            events.send(Event::answered(keys.ask(&format!("Enter {ANSWER} (it is not shown): "))))
        });
        Ok(())
    }

    /// Hands the answer in on a connection of its own: the first one waits for the outcome, and tells of it.
    fn take_answer(&mut self, response: Secret) -> Result<(), Failure> {
        let again = self.terminal.take().is_some();
        let call = CompleteLogin { login_id: self.login_id.clone(), response };
        match self.app.call(&call) {
            Ok(_) => Ok(()),
            // A slip of the hand is no end: the login is still open.
            Err(ClientError::Keeper(Error::InvalidArgument { field, reason }))
                if again && field == "response" =>
            {
                self.app.output.say(reason);
                self.ask()
            }
            // The browser was faster: the outcome is on the other connection.
            Err(ClientError::Keeper(Error::InvalidArgument { field, .. })) if field == "login_id" => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
