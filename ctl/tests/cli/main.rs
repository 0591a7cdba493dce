//! The real binary against a scripted daemon.

mod account;
mod daemon;
mod failure;
mod grant;
mod init;
mod journal;
mod login;
mod man;
mod status;
mod terminal;
mod token;
