//! A connection to a bus that skips overlong messages. The bus delivers messages of up to 128 MiB from any program (D-Bus
//! specification, *Message Protocol*), and zbus would read each of them whole.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use imgurd_proto::varlink::MAX_MESSAGE;
use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, recvmsg, sendmsg, shutdown,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// The length of the part that every message has, with its type and the lengths of its other parts.
const HEADER: usize = 16;

/// The longest answer to our own calls, in bytes. The bus delivers no answer without a call.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// The maximal number of descriptors with one message (`unix(7)`, `SCM_MAX_FD`).
const DESCRIPTORS: usize = 253;

const CHUNK: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Bounded(pub(super) UnixStream);

impl Socket for Bounded {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let stream = Arc::new(self.0);
        let bytes = Bytes { stream: Arc::clone(&stream), message: None };
        Split::new(Reader(bytes), Writer(stream))
    }
}

/// Reads from the bus: first lines of the handshake, by `recvmsg`, then messages.
#[derive(Debug)]
pub(super) struct Reader(Bytes);

#[async_trait]
impl ReadHalf for Reader {
    async fn receive_message(
        &mut self,
        seq: u64,
        early: &mut Vec<u8>,
        early_descriptors: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        // Bytes that arrive with the handshake are from the bus: no program can send anything before the connection
        // has its name.
        if early.is_empty() {
            self.0.message.get_or_insert_default();
        }
        self.0.receive_message(seq, early, early_descriptors).await
    }

    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.0.recvmsg(buffer).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// The bytes for zbus, without overlong messages.
#[derive(Debug)]
struct Bytes {
    stream: Arc<UnixStream>,
    /// The position within the current message; `None` before the first message.
    message: Option<Position>,
}

#[derive(Debug, Default)]
struct Position {
    header: Vec<u8>,
    /// How many bytes of the message zbus still gets, header included.
    left: usize,
    /// How many bytes after that are skipped.
    skipped: usize,
}

#[async_trait]
impl ReadHalf for Bytes {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let Some(Position { left, .. }) = self.message else { return receive(&self.stream, buffer).await };
        let mut descriptors = Vec::new();
        if left == 0 {
            let (position, received) = self.next().await?;
            self.message = Some(position);
            descriptors = received;
        }
        let Some(position) = &mut self.message else { return Err(end()) };
        let wanted = buffer.len().min(position.left);
        let count = if position.header.is_empty() {
            let (count, received) = receive(&self.stream, &mut buffer[..wanted]).await?;
            descriptors.extend(received);
            count
        } else {
            let count = wanted.min(position.header.len());
            buffer[..count].copy_from_slice(&position.header[..count]);
            position.header.drain(..count);
            count
        };
        position.left -= count;
        Ok((count, descriptors))
    }
}

impl Bytes {
    /// The next message for zbus, and its descriptors. zbus gets the header of an overlong message without the body.
    /// The missing body does not fit the signature, so the sender of a call gets an error.
    async fn next(&mut self) -> io::Result<(Position, Vec<OwnedFd>)> {
        let mut skipped = self.message.take().map_or(0, |position| position.skipped);
        loop {
            self.skip(skipped).await?;
            let mut header = vec![0; HEADER];
            let descriptors = self.fill(&mut header).await?;
            let (fields, body) = lengths(&header);
            let longest = if is_answer(&header) { LONGEST_ANSWER } else { MAX_MESSAGE };
            if fields.saturating_add(body) <= longest {
                return Ok((Position { header, left: HEADER + fields + body, skipped: 0 }, descriptors));
            }
            tracing::debug!(fields, body, "skipped an overlong message on the bus");
            if fields <= longest {
                header[4..8].fill(0);
                return Ok((Position { header, left: HEADER + fields, skipped: body }, Vec::new()));
            }
            skipped = fields.saturating_add(body);
        }
    }

    async fn fill(&mut self, mut buffer: &mut [u8]) -> io::Result<Vec<OwnedFd>> {
        let mut descriptors = Vec::new();
        while !buffer.is_empty() {
            let (count, received) = receive(&self.stream, buffer).await?;
            if count == 0 {
                return Err(end());
            }
            descriptors.extend(received);
            buffer = &mut buffer[count..];
        }
        Ok(descriptors)
    }

    async fn skip(&mut self, mut length: usize) -> io::Result<()> {
        let mut chunk = vec![0; length.min(CHUNK)];
        while length > 0 {
            let count = length.min(CHUNK);
            self.fill(&mut chunk[..count]).await?;
            length -= count;
        }
        Ok(())
    }
}

/// The lengths of the header's fields, with padding, and of the body (D-Bus specification, *Message Format*).
fn lengths(header: &[u8]) -> (usize, usize) {
    let number = |at: usize| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let number = if header[0] == b'B' { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    (number(12).checked_next_multiple_of(8).unwrap_or(usize::MAX), number(4))
}

fn is_answer(header: &[u8]) -> bool {
    matches!(header[1], 2 | 3)
}

fn end() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

async fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(buffer)];
            let received = recvmsg(stream, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
            let descriptors = ancillary.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            });
            Ok((received.bytes, descriptors.flatten().collect()))
        })
        .await
}

#[derive(Debug)]
pub(super) struct Writer(Arc<UnixStream>);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let stream = &*self.0;
        stream
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                Ok(sendmsg(stream, &[IoSlice::new(buffer)], &mut ancillary, SendFlags::NOSIGNAL)?)
            })
            .await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(shutdown(self.0.as_fd(), Shutdown::Both)?)
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// A message of this type, with fields and a body of these lengths.
    fn message(kind: u8, fields: u32, body: u32) -> Vec<u8> {
        let mut bytes = vec![b'l', kind, 0, 1];
        bytes.extend(body.to_le_bytes());
        bytes.extend(7_u32.to_le_bytes());
        bytes.extend(fields.to_le_bytes());
        bytes.resize(HEADER + (fields.next_multiple_of(8) + body) as usize, b'x');
        bytes
    }

    #[tokio::test]
    async fn skips_overlong_messages_and_reads_the_next_ones() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let small = message(1, 20, 100);
        let sent = [
            small.clone(),
            message(1, 24, 30 << 20),
            small.clone(),
            message(1, 30 << 20, 8),
            message(4, 8, 70_000),
            message(2, 8, 70_000),
            small.clone(),
        ]
        .concat();
        let writing = tokio::spawn(async move { there.write_all(&sent).await });
        let mut bytes = Bytes { stream: Arc::new(here), message: Some(Position::default()) };
        let expected =
            [small.clone(), message(1, 24, 0), small.clone(), message(4, 8, 0), message(2, 8, 70_000), small]
                .concat();
        let mut read = Vec::new();
        while read.len() < expected.len() {
            let mut buffer = [0; 1000];
            let (count, _) = bytes.recvmsg(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..count]);
        }
        assert!(read == expected);
        writing.await.unwrap().unwrap();
        assert!(bytes.recvmsg(&mut [0; 16]).await.is_err(), "the stream has ended, so reading fails");
    }
}
