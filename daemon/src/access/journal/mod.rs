//! The journal: which caller got or was denied an account's token, when and on which wire. No caller waits for a write. If
//! entries cannot be written, they are lost, and imgurd logs that once.

mod file;
mod fold;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use imgurd_proto::text::cause;
use imgurd_proto::{Error, JournalEntry, Outcome};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

pub(crate) use self::file::JournalFile;
pub use self::file::parse;
use self::fold::{Folds, Kind};
use super::{Caller, unix_time};
use crate::clock::Timer;
use crate::mutex::lock;

/// How many entries may wait to be written. Further ones are lost.
const WAITING: usize = 1024;

/// How many entries a follower may be behind.
const BEHIND: usize = 1024;

/// The length of the longest text in an entry, in characters.
const LONGEST: usize = 256;

/// A handle to write entries to the journal.
#[derive(Clone, Debug)]
pub struct Journal {
    notes: mpsc::Sender<Note>,
    counted: Counted,
}

/// The callers of this handle count similar entries themselves, so that they do not wake the writer.
type Counted = Arc<Mutex<Folds>>;

enum Note {
    Entry(Box<JournalEntry>),
    Read { follow: bool, reader: oneshot::Sender<io::Result<Begun>> },
    End(oneshot::Sender<()>),
}

struct Begun {
    past: Vec<JournalEntry>,
    future: Option<broadcast::Receiver<JournalEntry>>,
}

/// Starts a task that keeps the journal in the file `path`.
///
/// # Errors
/// If the system has no more timers.
pub fn spawn(path: PathBuf) -> io::Result<Journal> {
    let (notes, inbox) = mpsc::channel(WAITING);
    let (file, counted, timer) = (JournalFile::new(path), Counted::default(), Timer::monotonic()?);
    let writer = Writer { file, counted: counted.clone(), timer, listeners: None, is_troubled: false };
    tokio::spawn(writer.run(inbox));
    Ok(Journal { notes, counted })
}

impl Journal {
    /// Records that the caller got the token of `account` from `method`.
    pub fn granted(&self, caller: &Caller, method: &str, account: &str) {
        self.note(caller, Outcome::Granted, Some(method), Some(account), None);
    }

    /// Records that imgurd denied the caller access, if `error` is a denial.
    pub fn denied(&self, caller: &Caller, method: Option<&str>, account: Option<&str>, error: &Error) {
        if let Error::AccessDenied { reason } = error {
            self.note(caller, Outcome::Denied, method, account, Some(reason));
        }
    }

    fn note(
        &self,
        caller: &Caller,
        outcome: Outcome,
        method: Option<&str>,
        account: Option<&str>,
        reason: Option<&str>,
    ) {
        let application = caller.name();
        let (kind, at) = (kind(caller, &application, outcome, method, account, reason), unix_time());
        let is_counted = {
            let mut folds = lock(&self.counted);
            let kind = folds.counted_as(kind);
            folds.count(&kind, at)
        };
        // Denied calls can fill at most half of the queue, so that there is room for granted ones.
        let is_crowded = outcome == Outcome::Denied && self.notes.capacity() < WAITING / 2;
        if is_counted || is_crowded {
            return;
        }
        let entry = entry(&kind, caller, at);
        if self.notes.try_send(Note::Entry(Box::new(entry))).is_err() {
            tracing::debug!("the journal is too slow and lost an entry");
        }
    }

    /// The entries so far, of one account or of all. With `follow`, also the future ones.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn read(&self, only: Option<String>, follow: bool) -> Result<Reading, Error> {
        let (reader, begun) = oneshot::channel();
        let _ = self.notes.send(Note::Read { follow, reader }).await;
        let begun = begun.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
        let Begun { past, future } = begun.map_err(|error| {
            unavailable(&format!(
                "imgurd cannot read the journal ({error}); make its file readable, or remove it",
                error = cause(&error)
            ))
        })?;
        Ok(Reading { only, past: past.into(), future })
    }

    /// Writes all sums so far.
    pub async fn end(&self) {
        let (done, ended) = oneshot::channel();
        let _ = self.notes.send(Note::End(done)).await;
        let _ = ended.await;
    }
}

/// The entries for one reader.
#[derive(Debug)]
pub struct Reading {
    only: Option<String>,
    past: VecDeque<JournalEntry>,
    future: Option<broadcast::Receiver<JournalEntry>>,
}

impl Reading {
    /// The next existing entry.
    pub fn past(&mut self) -> Option<JournalEntry> {
        while let Some(entry) = self.past.pop_front() {
            if self.is_wanted(&entry) {
                return Some(entry);
            }
        }
        None
    }

    /// The next future entry; `None` without `follow`.
    ///
    /// # Errors
    /// If the reader is too far behind, or the daemon is stopping.
    pub async fn future(&mut self) -> Result<Option<JournalEntry>, Error> {
        loop {
            let Some(future) = &mut self.future else { return Ok(None) };
            let entry = future.recv().await.map_err(|_| {
                unavailable(
                    "The reader missed journal entries, or imgurd is stopping; read the journal again",
                )
            })?;
            if self.is_wanted(&entry) {
                return Ok(Some(entry));
            }
        }
    }

    /// An entry without an account concerns all accounts.
    fn is_wanted(&self, entry: &JournalEntry) -> bool {
        self.only.is_none() || entry.account.is_none() || entry.account == self.only
    }
}

fn unavailable(reason: &str) -> Error {
    Error::unavailable(reason)
}

fn kind<'a>(
    caller: &'a Caller,
    application: &'a str,
    outcome: Outcome,
    method: Option<&'a str>,
    account: Option<&'a str>,
    reason: Option<&'a str>,
) -> Kind<'a> {
    let sandboxed = caller.application.is_sandboxed();
    Kind {
        outcome,
        account: account.map(shortened),
        method: method.map(shortened),
        wire: caller.wire,
        application,
        sandboxed,
        uid: caller.uid,
        program: caller.program.as_deref().filter(|_| !sandboxed).map(shortened),
        reason: reason.map(shortened),
    }
}

/// Creates the first entry of a kind, or the first one that is counted.
fn entry(kind: &Kind<'_>, caller: &Caller, at: i64) -> JournalEntry {
    JournalEntry {
        at,
        until: None,
        count: 1,
        outcome: kind.outcome,
        account: kind.account.map(ToOwned::to_owned),
        method: kind.method.map(ToOwned::to_owned),
        wire: kind.wire,
        application: kind.application.to_owned(),
        sandboxed: kind.sandboxed,
        uid: kind.uid,
        pid: caller.pid,
        program: caller.program.as_deref().map(|program| shortened(program).to_owned()),
        reason: kind.reason.map(ToOwned::to_owned),
    }
}

/// Limits the length of a line, because callers choose parts of it.
fn shortened(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end])
}

/// The task that owns the file.
struct Writer {
    file: JournalFile,
    counted: Counted,
    timer: Timer,
    /// The followers, if any. The channel allocates its whole buffer at once.
    listeners: Option<broadcast::Sender<JournalEntry>>,
    /// Whether the last write failed.
    is_troubled: bool,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Note>) {
        loop {
            // While nothing is counted, the daemon does not wake.
            let next = lock(&self.counted).next().map(|at| at.saturating_duration_since(Instant::now()));
            let told = tokio::select! {
                note = inbox.recv() => match note {
                    Some(Note::Entry(entry)) => lock(&self.counted).add(*entry, Instant::now()),
                    Some(Note::Read { follow, reader }) => {
                        let _ = reader.send(self.read(follow).await);
                        continue;
                    }
                    Some(Note::End(done)) => {
                        let rest = lock(&self.counted).rest();
                        self.tell(rest).await;
                        let _ = done.send(());
                        continue;
                    }
                    None => return,
                },
                Ok(()) = self.timer.sleep(next) => lock(&self.counted).due(Instant::now()),
            };
            self.tell(told).await;
        }
    }

    /// With `follow`, the caller receives the current sums later; without, it gets them now.
    async fn read(&mut self, follow: bool) -> io::Result<Begun> {
        let file = self.file.clone();
        let read = spawn_blocking(move || file.read()).await;
        let mut past = read.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
        if follow {
            let listeners = self.listeners.get_or_insert_with(|| broadcast::channel(BEHIND).0);
            return Ok(Begun { past, future: Some(listeners.subscribe()) });
        }
        past.extend(lock(&self.counted).untold());
        Ok(Begun { past, future: None })
    }

    async fn tell(&mut self, entries: Vec<JournalEntry>) {
        if entries.is_empty() {
            return;
        }
        for entry in &entries {
            log(entry);
            // When the last follower has left, drop the channel.
            self.listeners.take_if(|listeners| listeners.send(entry.clone()).is_err());
        }
        let file = self.file.clone();
        let written = spawn_blocking(move || file.append(&entries)).await;
        let written = written.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
        if let Err(error) = &written
            && !self.is_troubled
        {
            tracing::warn!(%error, "cannot write the journal of who gets tokens; entries are lost until it works \
                                    again");
        }
        self.is_troubled = written.is_err();
    }
}

/// Logs the entry. Similar entries are combined already.
fn log(entry: &JournalEntry) {
    let JournalEntry { count, account, method, application, sandboxed, uid, pid, program, reason, .. } =
        entry;
    let (account, method) = (account.as_deref(), method.as_deref());
    let (program, reason) = (program.as_deref(), reason.as_deref());
    let wire = entry.wire.as_str();
    macro_rules! log_at {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                account,
                method,
                wire,
                application,
                sandboxed,
                uid,
                pid,
                program,
                count,
                reason,
                $message
            )
        };
    }
    match entry.outcome {
        Outcome::Granted => log_at!(info, "handed out a token"),
        Outcome::Denied => log_at!(warn, "refused a caller"),
    }
}
