//! Restores the file when another program deletes or changes it.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::{fmt, io, thread};

use super::file::TokenFile;
use super::path_watch::PathWatch;
use super::tokens::{LONGEST_PAUSE, PAUSE};
use crate::failure::Failure;
use crate::terminal::output::Output;
use imgurd_proto::text::cause;

/// The file, and its required content.
pub(super) struct KeptFile {
    file: TokenFile,
    text: Mutex<Option<String>>,
}

impl KeptFile {
    pub(super) fn new(file: TokenFile) -> Self {
        Self { file, text: Mutex::default() }
    }

    pub(super) fn write(&self, text: String) -> Result<(), Failure> {
        let mut kept = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        self.file.write(kept.insert(text))
    }

    /// Stops restoring the file until it is written again.
    pub(super) fn release(&self) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Restores the file. Returns whether that was necessary.
    fn restore(&self) -> Result<bool, Failure> {
        let kept = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_deref().filter(|text| !self.file.holds(text)) {
            Some(text) => self.file.put_back(text).map(|()| true),
            None => Ok(false),
        }
    }

    /// Keeps the last written content in the file, until the file cannot be watched any more.
    pub(super) fn keep(&self, output: &Output) {
        let Err(error) = self.keep_on(output);
        output.say(format!(
            "imgurctl cannot watch {self} ({error}), so it does not restore the file if another program deletes it.", error = cause(&error)));
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a program that keeps changing the file must not keep imgurctl busy"
    )]
    fn keep_on(&self, output: &Output) -> io::Result<Infallible> {
        let (mut reported, mut pause) = (None, PAUSE);
        loop {
            // Create the watch before looking at the file, so that no change is missed in between.
            let watch = PathWatch::new(self.file.path())?;
            let restored = self.restore();
            if let Err(failure) = &restored {
                let failure_text = Some(failure.to_string());
                if reported != failure_text {
                    output.report(failure);
                    reported = failure_text;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                (reported, pause) = (None, PAUSE);
            }
            match restored {
                Ok(true) => thread::sleep(PAUSE),
                // There is no event when a disk has free space again.
                Err(_) if self.file.has_directory() => watch.wait(Some(pause))?,
                Ok(false) | Err(_) => watch.wait(None)?,
            }
        }
    }
}

impl fmt::Display for KeptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}
