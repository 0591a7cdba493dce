//! The commands, one file each.

mod account;
mod completion;
mod credential;
mod credits;
mod curl;
mod discovery;
mod doctor;
mod exec;
mod export;
mod follow;
mod form;
mod gateway;
mod grant;
mod import;
mod init;
mod journal;
mod login;
mod logout;
mod man;
mod permit;
mod registration;
mod revocation;
mod status;
mod template;
mod token;

pub(crate) use self::completion::complete;
use crate::app::App;
use crate::cli::{AccountCommand, Command, PermitCommand, StatusArgs};
use crate::failure::Failure;

pub(crate) fn run(app: &App, command: Command) -> Result<(), Failure> {
    match command {
        Command::Token(args) if args.follow => follow::follow(app, &args),
        Command::Token(args) => token::token(app, &args),
        Command::Init { store } => init::init(app, store),
        Command::Account(command) => run_account(app, *command),
        Command::Login(args) => login::login(app, &args),
        Command::Import(args) => import::import(app, &args),
        Command::Export(args) => export::export(app, &args),
        Command::Restore(args) => grant::restore(app, args.account),
        Command::Exec(args) => exec::exec(app, &args),
        Command::Curl(args) => curl::curl(app, &args),
        Command::Reject(args) => token::reject(app, args),
        Command::Refresh(args) => token::refresh(app, args),
        Command::Logout { account, yes } => logout::logout(app, account.account.as_deref(), yes),
        Command::AutoRefresh { switch, account } => account::auto_refresh(app, switch, account.account),
        Command::Unlock => grant::unlock(app),
        Command::Status(StatusArgs { account, credits: true, .. }) => credits::credits(app, account),
        Command::Status(StatusArgs { account, watch: true, .. }) => status::watch(app, account),
        Command::Status(StatusArgs { account, .. }) => status::status(app, account.as_deref()),
        Command::Permit(command) => run_permit(app, command),
        Command::Gateway(command) => gateway::run(app, command),
        Command::Journal { account, follow } => journal::journal(app, account, follow),
        Command::Doctor => doctor::doctor(app),
        Command::Man { directory } => man::man(app, &directory),
        Command::Completions { shell } => completion::script(&shell.to_string()),
    }
}

fn run_account(app: &App, command: AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Add { name, form } => account::add(app, name, &form),
        AccountCommand::List => account::list(app),
        AccountCommand::Show(args) => account::show(app, args.account.as_deref()),
        AccountCommand::Set { account, form } => account::set(app, account.account, &form),
        AccountCommand::Remove { name, revoke } => account::remove(app, name.account, revoke),
        AccountCommand::Default(args) => account::make_default(app, args.account),
    }
}

fn run_permit(app: &App, command: PermitCommand) -> Result<(), Failure> {
    match command {
        PermitCommand::List => permit::list(app),
        PermitCommand::Allow(args) => permit::set(app, args, true),
        PermitCommand::Deny(args) => permit::set(app, args, false),
        PermitCommand::Revoke(args) => permit::revoke(app, args),
    }
}
