//! A connection: whole messages in and out. A caller that stops halfway is disconnected.

use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::time::Duration;

use imgurd_proto::varlink::{MAX_MESSAGE, Reply, frame};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout, timeout_at};

use super::Failure;

/// How long a caller may take to read an answer. After that, imgurd disconnects it.
const READING_PATIENCE: Duration = Duration::from_secs(10);

/// How long a caller may take to send one message after its first byte. Between messages it may be silent for ever.
pub(super) const WRITING_PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Calls<'a> {
    reader: ReadHalf<'a>,
    buffer: Vec<u8>,
    /// How many bytes of the buffer were returned.
    consumed: usize,
    at_end: bool,
}

/// The buffer size for a usual call, so that one read is enough.
const USUAL: usize = 256;

impl<'a> Calls<'a> {
    pub(super) fn new(reader: ReadHalf<'a>) -> Self {
        Self { reader, buffer: Vec::new(), consumed: 0, at_end: false }
    }

    /// The next message, without its NUL; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut searched = self.consumed;
        let mut deadline = None;
        loop {
            if let Some(length) = self.buffer[searched..].iter().position(|byte| *byte == 0) {
                return Ok(Some(self.message(searched + length)));
            }
            // Consumed bytes may contain a secret, and the connection may stay for ever. Freeing their memory wipes
            // it.
            if self.consumed > 0 {
                self.buffer = self.buffer.split_off(mem::take(&mut self.consumed));
            }
            searched = self.buffer.len();
            if searched >= MAX_MESSAGE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is longer than 64 KiB"));
            }
            if self.at_end {
                return Ok(None);
            }
            let count = if self.buffer.is_empty() {
                self.read().await?
            } else {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + WRITING_PATIENCE);
                timeout_at(deadline, self.read()).await.map_err(|_| stopped("writing"))??
            };
            if count == 0 {
                return Ok(None);
            }
        }
    }

    /// The message that ends before `end`. It usually fills the buffer, and then is not copied.
    fn message(&mut self, end: usize) -> Vec<u8> {
        if self.consumed == 0 && end + 1 == self.buffer.len() {
            self.buffer.truncate(end);
            return mem::take(&mut self.buffer);
        }
        let message = self.buffer[self.consumed..end].to_vec();
        self.consumed = end + 1;
        message
    }

    async fn read(&mut self) -> io::Result<usize> {
        let room = (self.consumed + MAX_MESSAGE).saturating_sub(self.buffer.len()) as u64;
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(USUAL);
        }
        let count = (&mut self.reader).take(room).read_buf(&mut self.buffer).await?;
        self.at_end |= count == 0 && room > 0;
        Ok(count)
    }

    /// Returns when the caller has left and cannot read the answer. A caller that has only closed its sending side
    /// still waits for it.
    pub(super) async fn wait_for_hangup(&mut self) {
        while !self.at_end && self.buffer.len() < self.consumed + MAX_MESSAGE {
            if self.read().await.is_err() {
                return;
            }
        }
        if wait_until_closed(self.reader.as_ref()).await.is_err() {
            std::future::pending::<()>().await; // until the answer cannot be written
        }
    }
}

/// Returns when the other side has closed both directions. It uses its own descriptor, which forgets that it is
/// writable and so notices the next event. The descriptor for answers must not forget that.
async fn wait_until_closed(stream: &UnixStream) -> io::Result<()> {
    let same = std::os::unix::net::UnixStream::from(stream.as_fd().try_clone_to_owned()?);
    let same = UnixStream::from_std(same)?;
    while !same.ready(Interest::WRITABLE).await?.is_write_closed() {
        let _ = same.try_io(Interest::WRITABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
    Ok(())
}

fn stopped(doing: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the caller stopped {doing}"))
}

pub(super) struct Answers<'a> {
    writer: WriteHalf<'a>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(writer: WriteHalf<'a>) -> Self {
        Self { writer }
    }

    pub(super) async fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let written = match self.writer.try_write(message) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if written == message.len() {
            return Ok(());
        }
        match timeout(READING_PATIENCE, self.writer.write_all(&message[written..])).await {
            Ok(written) => written,
            Err(_) => Err(stopped("reading")),
        }
    }

    pub(super) async fn stream<R: Serialize>(
        &mut self,
        parameters: R,
        continues: bool,
    ) -> Result<(), Failure> {
        let message =
            frame(&Reply { parameters, continues }).map_err(|error| Failure::HungUp(error.into()))?;
        self.write(&message).await.map_err(Failure::HungUp)
    }
}
