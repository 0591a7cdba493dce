//! A minimal caller: writes a call as bytes, and reads the answer up to its NUL.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A call for the default account's token, as programs send it.
pub(super) const CALL: &[u8] = b"{\"method\":\"org.imgurd.Keeper1.GetToken\",\"parameters\":{}}\0";

/// A caller with its own connection.
pub(super) struct Caller {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Caller {
    pub(super) fn connect(socket: &Path) -> Self {
        Self::try_connect(socket).expect("the daemon listens")
    }

    pub(super) fn try_connect(socket: &Path) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket)?, buffer: vec![0; 4096] })
    }

    pub(super) fn ask(&mut self, call: &[u8]) {
        self.stream.write_all(call).expect("the connection is open");
    }

    /// The next answer, its NUL included.
    pub(super) fn answer(&mut self) -> &[u8] {
        let mut filled = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[filled..]).expect("the connection is open");
            assert!(count > 0, "the daemon closed the connection without an answer");
            filled += count;
            if self.buffer[filled - 1] == 0 {
                return &self.buffer[..filled];
            }
        }
    }

    /// Fails unless the next answer contains a token.
    pub(super) fn answer_with_token(&mut self) {
        let answer = self.answer();
        let text = String::from_utf8_lossy(answer);
        assert!(text.contains("access_token"), "expected a token, got {text}");
    }

    /// The time that this call takes.
    pub(super) fn time(&mut self, call: &[u8]) -> Duration {
        let begin = Instant::now();
        self.ask(call);
        self.answer();
        begin.elapsed()
    }
}

/// Alternates between two things that are compared, so that other load on the machine affects both.
pub(super) fn alternate(
    rounds: usize,
    mut ours: impl FnMut() -> Vec<Duration>,
    mut limit: impl FnMut() -> Vec<Duration>,
) -> (Vec<Duration>, Vec<Duration>) {
    let mut spans = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        spans.0.extend(ours());
        spans.1.extend(limit());
    }
    spans
}
