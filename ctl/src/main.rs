//! `imgurctl`, the command line of `imgurd`: parse, call, print.

mod account;
mod app;
mod cli;
mod completion;
mod credential;
mod credits;
mod curl;
mod doctor;
mod exec;
mod export;
mod failure;
mod files;
mod follow;
mod grant;
mod hidden;
mod init;
mod input;
mod journal;
mod login;
mod man;
mod memory;
mod output;
mod passphrase;
mod permit;
mod random;
mod registration;
mod sealed;
mod settings;
mod status;
mod table;
mod time;
mod token;
mod watch;

use std::alloc::System;
use std::env;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

use crate::app::App;
use crate::cli::{AccountCommand, Cli, Command, StatusArgs};
use crate::failure::Failure;

/// Whatever is freed is wiped: tokens pass through buffers of serde and of the standard library.
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    memory::close();
    completion::answer_the_shell();
    let words: Vec<_> = env::args_os().collect();
    match cli::read(&words) {
        Ok(cli) => run(cli),
        Err(error) => cli::report(&error),
    }
}

fn run(cli: Cli) -> ExitCode {
    let app = App::new(&cli.global);
    match run_command(&app, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => app.output.report(&failure),
    }
}

fn run_command(app: &App, command: Command) -> Result<(), Failure> {
    match command {
        Command::Token(token) => token::token(app, &token),
        Command::Init { store } => init::init(app, store),
        Command::Account(command) => run_account(app, command),
        Command::Login(login) => login::login(app, &login),
        Command::Import(import) => grant::import(app, import),
        Command::Export(export) => export::export(app, &export),
        Command::Restore { account } => grant::restore(app, account),
        Command::Exec(exec) => exec::exec(app, &exec),
        Command::Curl(curl) => curl::curl(app, &curl),
        Command::Reject { account, wait } => token::reject(app, account, wait),
        Command::Refresh { account, wait } => token::refresh(app, account, wait),
        Command::Logout { account } => grant::logout(app, account),
        Command::AutoRefresh { switch, account } => account::auto_refresh(app, switch, account),
        Command::Unlock => grant::unlock(app),
        Command::Status(StatusArgs { account, credits: true, .. }) => credits::credits(app, account),
        Command::Status(StatusArgs { account, watch: true, .. }) => watch::watch(app, account),
        Command::Status(StatusArgs { account, .. }) => status::status(app, account.as_deref()),
        Command::Permit(command) => permit::permit(app, command),
        Command::Journal { account, follow } => journal::journal(app, account, follow),
        Command::Doctor => doctor::doctor(app),
        Command::Man(args) => man::man(app, &args.directory),
        Command::Completions { shell } => completion::script(&shell.to_string()),
    }
}

fn run_account(app: &App, command: AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Add { name, form } => account::add(app, name, &form),
        AccountCommand::List => account::list(app),
        AccountCommand::Show { account } => account::show(app, account.as_deref()),
        AccountCommand::Set { account, form } => account::set(app, account, &form),
        AccountCommand::Remove { account } => account::remove(app, account),
        AccountCommand::Default { account } => account::make_default(app, account),
    }
}
