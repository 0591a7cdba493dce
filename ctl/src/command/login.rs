//! `imgurctl login`: consent with a browser, or by hand.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Sender};
use std::thread;

use imgurd_proto::text::printable;
use imgurd_proto::{
    Account, CancelLogin, ClientError, CompleteLogin, Error, Flow, Login, LoginReply, Secret, Settings,
};

use super::{account, grant};
use crate::app::App;
use crate::cli::LoginArgs;
use crate::failure::Failure;
use crate::memory;
use crate::terminal::PasswordInput;
use crate::terminal::input;
use crate::terminal::output::Output;
use crate::terminal::time::seconds;

const ANSWER: &str = "the PIN, the code, or the whole URL of the last page in the browser";

enum Event {
    Reply(Box<LoginReply>),
    Answer(Secret),
}

pub(crate) fn login(app: &App, args: &LoginArgs) -> Result<(), Failure> {
    let account = app.account(args.account.as_deref())?;
    if args.cancel {
        return cancel(app, &account);
    }
    let secret = args.client_secret_stdin.then(|| given_client_secret(&account)).transpose()?;
    sign_in(app, args, &account, secret).or_else(|failure| offer_other_user(app, &account, failure))
}

/// Signs in. The login lasts as long as the connection of its stream, and so as long as this process.
fn sign_in(
    app: &App,
    args: &LoginArgs,
    account: &Account,
    client_secret: Option<Secret>,
) -> Result<(), Failure> {
    let (events, received) = mpsc::channel();
    let mut dialog = Dialog {
        app,
        paste: false,
        opens_browser: !args.no_browser && !args.paste && !args.qr,
        draws_qr_code: args.qr,
        events: events.clone(),
        login_id: String::new(),
        terminal: None,
    };
    let asks = client_secret.is_none() && input::is_interactive() && !app.output.json;
    app.stream(call(args, account, client_secret), move |reply| {
        let _ = events.send(reply.map(|reply| Event::Reply(reply.into())));
    })?;
    for event in received {
        let event = match event {
            Err(failure) if asks && dialog.login_id.is_empty() && lacks_client_secret(&failure) => {
                return sign_in(app, args, account, Some(ask_client_secret(account)?));
            }
            event => event?,
        };
        match event {
            Event::Reply(reply) => match &reply.account {
                Some(account) => {
                    drop(dialog);
                    return conclude(app, account, reply.note.as_deref());
                }
                None if reply.url.is_none() => note(app, reply.note.as_deref()),
                None => dialog.open(&reply, &what_to_check(account, flow(args, account)))?,
            },
            Event::Answer(answer) => dialog.take_answer(answer)?,
        }
    }
    Err(Failure::stream_ended())
}

/// Whether imgurd needs the client secret before it begins.
fn lacks_client_secret(failure: &Failure) -> bool {
    matches!(failure, Failure::Client(ClientError::Keeper(Error::Misconfigured { setting, .. })) if setting == "client_secret")
}

fn given_client_secret(account: &Account) -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        return ask_client_secret(account);
    }
    input::line_or_none("the client secret", "client_secret")
}

fn ask_client_secret(account: &Account) -> Result<Secret, Failure> {
    let name = &account.name;
    input::ask_secret(&format!(
        "Client secret of {name}'s application (not shown; press Enter if it has none): "
    ))
}

fn call(args: &LoginArgs, account: &Account, client_secret: Option<Secret>) -> Login {
    Login {
        account: Some(account.name.clone()),
        flow: args.flow,
        timeout_s: args.timeout.map(seconds),
        replace: args.replace.then_some(true),
        paste: (args.paste || (args.qr && flow(args, account) != Flow::Device)).then_some(true),
        client_secret,
    }
}

fn flow(args: &LoginArgs, account: &Account) -> Flow {
    args.flow.or(account.settings.flow).unwrap_or_default()
}

/// If another user than before signs in, imgurd sets the new grant aside; this asks whether to use it.
fn offer_other_user(app: &App, account: &Account, failure: Failure) -> Result<(), Failure> {
    let Failure::Client(ClientError::Keeper(Error::LoginFailed { set_aside: Some(user), .. })) = &failure
    else {
        return Err(failure);
    };
    if !input::is_interactive() || app.output.json {
        return Err(failure);
    }
    let name = &account.name;
    let holder = account.username.as_deref().unwrap_or("another user");
    let question = format!(
        "You signed in as {user}, but {name} has the grant of {holder}. Use the grant of {user} instead? [y/N] "
    );
    if !input::agrees(&printable(&question))? {
        return Err(failure);
    }
    grant::restore(app, Some(name.clone()))
}

fn cancel(app: &App, account: &Account) -> Result<(), Failure> {
    match account.login_id.clone() {
        Some(login_id) => {
            app.call(&CancelLogin { login_id })?;
            app.output.say(format!("Cancelled the sign-in to {}.", account.name));
        }
        None => app.output.say(format!("No sign-in to {} is in progress.", account.name)),
    }
    Ok(())
}

fn conclude(app: &App, account: &Account, said: Option<&str>) -> Result<(), Failure> {
    let text = format!("Signed in as {}.", account::user(account));
    account::conclude(app, account, text)?;
    note(app, said.filter(|said| Some(*said) != account.reason.as_deref()));
    Ok(())
}

fn note(app: &App, note: Option<&str>) {
    if let Some(note) = note {
        app.output.say(format!("{}.", printable(note)));
    }
}

/// Whether a browser can be opened. Without a display, a text browser would take over the terminal; without `HOME`, the
/// search for a browser would look into the user database, which a static C library cannot do.
pub(super) fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("HOME") && ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(is_set)
}

fn no_browser(paste: bool) -> &'static str {
    match (has_display(), paste) {
        (true, _) => "imgurctl could not open a browser. Open this page yourself:",
        (false, true) => {
            "This machine has no display. Open this page in any browser, here or on another machine:"
        }
        (false, false) => {
            "This machine has no display. Open this page in a browser on this machine, or press Ctrl-C and use --paste:"
        }
    }
}

/// What to check if the server shows an error of its own: it then does not redirect the browser (RFC 6749, section 4.1.2.1).
fn what_to_check(account: &Account, flow: Flow) -> String {
    let Settings { client_id, redirect_uri, .. } = &account.settings;
    let callback = redirect_uri.as_ref().filter(|_| matches!(flow, Flow::Code | Flow::Token));
    let callback =
        callback.map(|uri| format!(" and the callback URL {}", printable(uri))).unwrap_or_default();
    format!(
        "If that page shows an error, check that your registration has the client ID {}{callback}; to change the account, see \
         `imgurctl account set --help`.",
        printable(client_id.as_deref().unwrap_or("-")),
    )
}

/// The dialog with the user during a login.
struct Dialog<'a> {
    app: &'a App,
    /// Whether the user has to enter the answer, as the daemon says.
    paste: bool,
    opens_browser: bool,
    draws_qr_code: bool,
    events: Sender<Result<Event, Failure>>,
    login_id: String,
    /// Restored when this is dropped, even while the user is typing.
    terminal: Option<PasswordInput>,
}

impl Dialog<'_> {
    fn open(&mut self, reply: &LoginReply, what_to_check: &str) -> Result<(), Failure> {
        self.login_id.clone_from(&reply.login_id);
        self.paste = reply.paste == Some(true);
        self.announce(reply)?;
        if self.paste || self.app.output.is_watched() {
            self.app.output.say(what_to_check);
        }
        if self.paste { self.ask() } else { Ok(()) }
    }

    fn announce(&self, reply: &LoginReply) -> Result<(), Failure> {
        let url = reply.url.as_deref().unwrap_or_default();
        let page = reply.verification_uri_complete.as_deref().unwrap_or(url);
        let opened =
            self.opens_browser && has_display() && memory::with_own_limit(|| webbrowser::open(page).is_ok());
        if self.app.output.json {
            Output::print_json(reply)?;
        } else if opened {
            self.app.output.say(format!("Opening your browser. If no page appears, open this one:\n{url}"));
        } else {
            if self.opens_browser {
                self.app.output.say(no_browser(self.paste || reply.user_code.is_some()));
            }
            Output::print(url)?;
        }
        if self.draws_qr_code {
            self.app.output.draw_qr_code(page);
        }
        if let Some(code) = &reply.user_code {
            self.announce_code(code)?;
        } else if self.paste {
            self.app.output.say("Allow access on that page, then enter what it shows.");
        } else if self.app.output.is_watched() {
            self.app.output.say("Waiting for consent on that page; press Ctrl-C to cancel.");
        }
        Ok(())
    }

    /// The code goes to standard output, so that --quiet shows it as well.
    fn announce_code(&self, code: &str) -> Result<(), Failure> {
        let output = &self.app.output;
        output.say("Open that page on any device, enter this code and allow access:");
        if !output.json {
            Output::print(&printable(code))?;
        }
        if output.is_watched() {
            output.say("Waiting for consent; press Ctrl-C to cancel.");
        }
        Ok(())
    }

    /// Reads an answer in its own thread, because the login may end first.
    fn ask(&mut self) -> Result<(), Failure> {
        let events = self.events.clone();
        let send = move |answer: Result<Secret, Failure>| events.send(answer.map(Event::Answer));
        if io::stdin().is_terminal() {
            let (terminal, keys) = PasswordInput::begin().map_err(Failure::Input)?;
            self.terminal = Some(terminal);
            thread::spawn(move || send(keys.ask_for_paste(&format!("Enter {ANSWER} (not shown): "))));
        } else {
            thread::spawn(move || send(input::line(ANSWER, "response")));
        }
        Ok(())
    }

    /// Sends the answer on its own connection, because the first one waits for the result.
    fn take_answer(&mut self, response: Secret) -> Result<(), Failure> {
        let again = self.terminal.take().is_some();
        let call = CompleteLogin { login_id: self.login_id.clone(), response };
        match self.app.call(&call) {
            Ok(_) => Ok(()),
            // The browser was faster. The other connection reports the result.
            Err(ClientError::Keeper(Error::InvalidArgument { field, .. })) if field == "login_id" => Ok(()),
            // After a typing error the login is still open.
            Err(ClientError::Keeper(
                Error::InvalidArgument { reason, .. } | Error::LoginFailed { reason, is_open: true, .. },
            )) if again => {
                self.app.output.say(reason);
                self.ask()
            }
            Err(error) => Err(error.into()),
        }
    }
}
