//! A minimal server that reads up to a NUL and always writes the same bytes. It shows the cost of a socket, a runtime
//! and a task for each connection, for comparison with the daemon.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;

use crate::fake::PATIENCE;

/// The server in its own process. Dropping it kills the process.
pub(super) struct Echo(Child);

impl Echo {
    /// Starts a server with answers of `answer` bytes, and returns when it listens.
    pub(super) fn start(socket: &Path, answer: usize) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.arg("echo").arg(socket).arg(answer.to_string()).stdin(Stdio::null());
        let echo = Self(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            assert!(Instant::now() < deadline, "the echo server does not listen");
            std::thread::yield_now();
        }
        echo
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the server until the process is killed.
///
/// # Errors
/// If it cannot listen.
pub fn serve(socket: &Path, length: usize) -> std::io::Result<()> {
    let mut answer = vec![b'x'; length];
    answer[length - 1] = 0;
    let answer: &'static [u8] = answer.leak();
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = UnixListener::bind(socket)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(converse(stream, answer));
        }
    })
}

async fn converse(mut stream: UnixStream, answer: &[u8]) -> std::io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        for _ in buffer[..count].iter().filter(|byte| **byte == 0) {
            stream.write_all(answer).await?;
        }
    }
}
