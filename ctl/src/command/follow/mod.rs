//! `imgurctl token --follow`: a file with the current token, for programs that only read files.

mod change_command;
mod file;
mod keeping;
mod path_watch;
mod tokens;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use imgurd_proto::Token;

use self::change_command::ChangeCommand;
use self::file::TokenFile;
use self::keeping::KeptFile;
pub(super) use self::tokens::{Receiver, Tokens};
use super::form::Form;
use super::token;
use crate::app::App;
use crate::cli::TokenArgs;
use crate::failure::Failure;
use crate::terminal::time;

/// Runs until a signal ends it, and leaves the file: its token stays valid until it expires.
pub(crate) fn follow(app: &App, args: &TokenArgs) -> Result<(), Failure> {
    let form = Form::new(app, args)?;
    let path = args.output.as_deref().unwrap_or("".as_ref());
    if args.template.as_deref().is_some_and(|template| is_same(template, path)) {
        let reason = "--output is the template itself; name another file";
        return Err(Failure::usage("output", reason));
    }
    let file = Arc::new(KeptFile::new(TokenFile::new(path)?));
    let (kept, output) = (Arc::clone(&file), app.output.clone());
    thread::spawn(move || kept.keep(&output));
    let command = ChangeCommand::new(&args.command, &app.output);
    Err(Tokens::new(app, token::call(args), None, FileReceiver { app, form, file, command }).follow())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    place(one).is_some_and(|one| place(other) == Some(one))
}

struct FileReceiver<'a> {
    app: &'a App,
    form: Form,
    file: Arc<KeptFile>,
    command: Option<ChangeCommand>,
}

impl Receiver for FileReceiver<'_> {
    fn receive(&mut self, token: &Token) -> Result<(), Failure> {
        self.file.write(self.form.text(self.app, token)?)?;
        let expiry = token.expires_at.map_or_else(String::new, |at| {
            format!("; it expires {}", time::relative_and_clock(at, time::now()))
        });
        self.app.output.say(format!("Wrote the token of {1} to {0}{expiry}.", self.file, token.account));
        if let Some(command) = &self.command {
            command.run();
        }
        Ok(())
    }

    /// The file stays as it is, and is not restored.
    fn lose(&mut self) {
        self.file.release();
    }
}
