//! The real client against a scripted daemon.

mod account;
mod daemon;
mod doctor;
mod failure;
mod grant;
mod help;
mod init;
mod journal;
mod login;
mod man;
mod status;
mod terminal;
mod token;
mod waiting;
