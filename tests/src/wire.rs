//! Raw Varlink messages on the socket, including those that no client sends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use imgurd_proto::INTERFACE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use crate::fake::PATIENCE;

/// A connection to the daemon.
#[derive(Debug)]
pub struct Wire(BufReader<UnixStream>);

impl Wire {
    /// Connects without sending anything.
    pub fn connect(socket: &Path) -> Self {
        UnixStream::connect(socket).expect("the daemon listens").into()
    }

    /// Sends raw bytes. They are lost if the daemon has closed the connection.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\0").as_bytes());
    }

    /// Sends a call of imgurd's interface. If the name has dots, it is a full name.
    pub fn ask(&mut self, method: &str, parameters: &Value) {
        self.send(&json!({ "method": full(method), "parameters": parameters }));
    }

    /// Sends a call whose answer is a stream.
    pub fn stream(&mut self, method: &str, parameters: &Value) {
        self.send(&json!({ "method": full(method), "parameters": parameters, "more": true }));
    }

    /// Sends a call and returns its answer.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.ask(method, parameters);
        self.answer()
    }

    /// The next answer. Fails if the daemon closes the connection.
    pub fn answer(&mut self) -> Value {
        self.receive().expect("the daemon answers in time and keeps the connection")
    }

    /// The next answer. `None` if the daemon has closed the connection, or does not answer within [`PATIENCE`].
    pub fn receive(&mut self) -> Option<Value> {
        let mut message = Vec::new();
        self.0.read_until(0, &mut message).ok()?;
        (message.pop() == Some(0)).then(|| serde_json::from_slice(&message).expect("an answer is JSON"))
    }

    /// Fails unless the daemon closes the connection without a further answer.
    pub fn expect_hang_up(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_until(0, &mut rest) {
            Ok(_) => assert_eq!(
                String::from_utf8_lossy(&rest),
                "",
                "imgurd sent this before it closed the connection"
            ),
            // If the daemon has unread data when it closes, the connection is reset (unix(7)).
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }

    /// Fails unless the daemon closes the connection, even though its answers are not read.
    pub fn expect_hang_up_unread(&self) {
        let mut polled = [PollFd::new(self.0.get_ref(), PollFlags::empty())];
        let patience = Timespec::try_from(PATIENCE).unwrap();
        assert_eq!(poll(&mut polled, Some(&patience)), Ok(1), "imgurd did not close the connection");
        assert!(polled[0].revents().contains(PollFlags::HUP));
    }

    /// Whether an answer has arrived.
    pub fn has_answer(&mut self) -> bool {
        if !self.0.buffer().is_empty() {
            return true;
        }
        self.0.get_ref().set_nonblocking(true).unwrap();
        let arrived = self.0.fill_buf().is_ok();
        self.0.get_ref().set_nonblocking(false).unwrap();
        arrived
    }

    /// Closes the writing half of the connection.
    pub fn finish_sending(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).unwrap();
    }
}

/// A connection on which messages may have been sent already.
impl From<UnixStream> for Wire {
    fn from(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }
}

/// The access token of an answer.
pub fn token_of(answer: &Value) -> &str {
    answer["parameters"]["token"]["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("the answer has no token: {}", answer["error"]))
}

/// The error of an answer, without the name of imgurd's interface.
pub fn error_of(answer: &Value) -> &str {
    let error = answer["error"].as_str().expect("the answer is an error");
    error.strip_prefix(INTERFACE).map_or(error, |name| name.trim_start_matches('.'))
}

fn full(method: &str) -> String {
    if method.contains('.') { method.to_owned() } else { format!("{INTERFACE}.{method}") }
}
