//! `imgurctl`, the command line of `imgurd`: parse, call, print.

mod app;
mod cli;
mod command;
mod failure;
mod files;
mod memory;
mod sealed;
mod terminal;

use std::alloc::System;
use std::env;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

use crate::app::App;

/// Wipes memory when it is freed: tokens pass through buffers of serde and of the standard library.
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    memory::close();
    command::complete();
    let words: Vec<_> = env::args_os().collect();
    let cli = match cli::read(&words) {
        Ok(cli) => cli,
        Err(error) => return cli::report(&error),
    };
    let app = App::new(&cli.global);
    match command::run(&app, cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => app.output.report(&failure),
    }
}
