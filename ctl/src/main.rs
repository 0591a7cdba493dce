//! `imgurctl`, the command line of `imgurd`: parse, call, print.

mod account;
mod app;
mod cli;
mod failure;
mod grant;
mod hidden;
mod init;
mod input;
mod journal;
mod login;
mod output;
mod permit;
mod registration;
mod settings;
mod status;
mod table;
mod time;
mod token;
mod watch;

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser;
use zeroizing_alloc::ZeroAlloc;

use crate::app::App;
use crate::cli::{AccountCommand, Cli, Command};
use crate::failure::Failure;

/// Whatever is freed is wiped: tokens pass through buffers of serde and of the standard library.
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::report(&error),
    };
    let app = App::new(&cli.global);
    match run(&app, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => app.output.report(&failure),
    }
}

fn run(app: &App, command: Command) -> Result<(), Failure> {
    match command {
        Command::Init { store } => init::init(app, store),
        Command::Account(command) => run_account(app, command),
        Command::Login(login) => login::login(app, &login),
        Command::Import { account, replace } => grant::import(app, account, replace),
        Command::Restore { account } => grant::restore(app, account),
        Command::Token(token) => token::token(app, token),
        Command::Reject { account, wait } => token::reject(app, account, wait),
        Command::Refresh { account, wait } => token::refresh(app, account, wait),
        Command::Logout { account } => grant::logout(app, account),
        Command::AutoRefresh { switch, account } => account::auto_refresh(app, switch, account),
        Command::Unlock => grant::unlock(app),
        Command::Status { account, watch: false } => status::status(app, account.as_deref()),
        Command::Status { account, watch: true } => watch::watch(app, account),
        Command::Permit(command) => permit::permit(app, command),
        Command::Journal { account, follow } => journal::journal(app, account, follow),
        Command::Completions { shell } => cli::completions(shell),
    }
}

fn run_account(app: &App, command: AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Add { name, form } => account::add(app, name, &form),
        AccountCommand::List => account::list(app),
        AccountCommand::Show { account } => account::show(app, account.as_deref()),
        AccountCommand::Set { account, form } => account::set(app, account, &form),
        AccountCommand::Remove { name } => account::remove(app, name),
        AccountCommand::Default { name } => account::make_default(app, name),
    }
}
