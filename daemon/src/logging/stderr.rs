//! Writes to standard error without waiting: a terminal may be stopped (Ctrl-S), and a pipe may have no reader. Lines that cannot
//! be written are lost, and the next line says how many.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long imgurd waits for a slow reader. After that it does not wait for this reader any more.
const PATIENCE: Duration = Duration::from_millis(10);

/// The number of bytes that a pipe accepts at once if it accepts any (`PIPE_BUF`, `pipe(7)`).
const CHUNK: usize = 4096;

static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// How many lines were lost since the last written one.
static LOST: AtomicU64 = AtomicU64::new(0);

pub(super) struct Stderr;

impl Write for Stderr {
    /// Always accepts a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = LOST.load(Ordering::Relaxed);
        let told =
            lost == 0 || put(format!("{lost} log lines were lost, because nobody read them\n").as_bytes());
        if told && lost > 0 {
            LOST.fetch_sub(lost, Ordering::Relaxed);
        }
        if !(told && put(line)) {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put(text: &[u8]) -> bool {
    text.chunks(CHUNK).all(|chunk| has_room() && io::stderr().write_all(chunk).is_ok())
}

fn has_room() -> bool {
    let patience = if IS_STOPPED.load(Ordering::Relaxed) { Duration::ZERO } else { PATIENCE };
    let has_room = accepts(&io::stderr(), patience);
    IS_STOPPED.store(!has_room, Ordering::Relaxed);
    has_room
}

/// Whether a write does not wait, or not for longer than `patience`.
pub(super) fn accepts(stream: &impl AsFd, patience: Duration) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::OUT)];
    let timeout = Timespec::try_from(patience).ok();
    poll(&mut polled, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}
