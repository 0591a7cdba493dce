//! A client's connection, which records when the last byte of an answer was written.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Shared;

/// The number of the request that is being answered, if it is in the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Answering(Arc<Mutex<Option<usize>>>);

impl Answering {
    pub(super) fn set(&self, number: Option<usize>) {
        *self.0.lock().unwrap() = number;
    }
}

/// The connection's stream.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    answering: Answering,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, shared: Arc<Shared>, answering: Answering) -> Self {
        Self { stream, shared, answering }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Record before the write: when it returns, the client may already have read the answer and looked into the
        // log.
        let number = *self.answering.0.lock().unwrap();
        if let Some(number) = number {
            self.shared.log.sent(number, Instant::now());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
