//! A blocking client on the local socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::marker::PhantomData;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::paths::socket_path;
use crate::socket::{self, MARGIN};
use crate::varlink::{Call, MAX_MESSAGE, Reply, ServiceError, ServiceInfo, frame};
use crate::{ClientError, Error, GetToken, INTERFACE, Method, RejectToken, Secret, Token};

/// How much to read at once, in bytes: enough for a token and its fields. Memory must be allocated, and wiped when it
/// is freed.
const BUFFER: usize = 1024;

/// A connection to imgurd. Calls block until they are answered; the daemon limits how long that takes. If it exceeds
/// the limit, the client soon gives up and closes the connection ([`ClientError::Silent`]).
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the daemon of this user.
    pub fn connect() -> Result<Self, ClientError> {
        Self::connect_to(&socket_path())
    }

    /// Connects to the daemon at the socket `path`.
    pub fn connect_to(path: &Path) -> Result<Self, ClientError> {
        let stream = socket::connect(path)?;
        Ok(Self { stream: BufReader::with_capacity(BUFFER, stream) })
    }

    /// The current access token of `account`, or of the default account.
    pub fn get_token(&mut self, account: Option<&str>) -> Result<Token, ClientError> {
        let call = GetToken { account: account.map(Into::into), ..GetToken::default() };
        Ok(self.call(&call)?.token)
    }

    /// Reports that a server rejected `access_token`, and returns one that works.
    pub fn reject_token(
        &mut self,
        account: Option<&str>,
        access_token: Secret,
    ) -> Result<Token, ClientError> {
        let call = RejectToken { account: account.map(Into::into), access_token, wait_ms: None };
        Ok(self.call(&call)?.token)
    }

    /// Calls a method and waits for its only answer.
    pub fn call<M: Method>(&mut self, call: &M) -> Result<M::Reply, ClientError> {
        self.send(&format!("{INTERFACE}.{}", M::NAME), call, false)?;
        self.receive(Some(call.patience())).map(|reply| reply.parameters)
    }

    /// Like [`call`](Self::call). If no answer has arrived within `delay`, calls `notice` and continues to wait.
    pub fn call_noticing<M: Method>(
        &mut self,
        call: &M,
        delay: Duration,
        notice: impl FnOnce(),
    ) -> Result<M::Reply, ClientError> {
        self.send(&format!("{INTERFACE}.{}", M::NAME), call, false)?;
        if !self.answers_within(delay)? {
            notice();
        }
        self.receive(Some(call.patience())).map(|reply| reply.parameters)
    }

    /// Whether an answer begins, or the connection ends, within `delay`.
    fn answers_within(&self, delay: Duration) -> io::Result<bool> {
        let delay = Timespec::try_from(delay).ok();
        let mut socket = [PollFd::new(self.stream.get_ref(), PollFlags::IN)];
        match poll(&mut socket, delay.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            // A signal interrupted the wait, for example because the terminal was resized: keep waiting.
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Calls a method that answers more than once.
    pub fn stream<M: Method>(&mut self, call: &M) -> Result<Replies<'_, M>, ClientError> {
        self.send(&format!("{INTERFACE}.{}", M::NAME), call, true)?;
        Ok(Replies { client: self, more: true, patience: Some(call.patience()), method: PhantomData })
    }

    /// The daemon's description of itself, including its version.
    pub fn info(&mut self) -> Result<ServiceInfo, ClientError> {
        self.send("org.varlink.service.GetInfo", &serde_json::Map::new(), false)?;
        self.receive(Some(Duration::ZERO)).map(|reply| reply.parameters)
    }

    fn send<P: serde::Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
        more: bool,
    ) -> Result<(), ClientError> {
        let call = Call { method: method.into(), parameters: Some(parameters), more, oneway: false };
        let message = frame(&call).map_err(io::Error::from)?;
        if message.len() > MAX_MESSAGE {
            let reason = "imgurd accepts calls of at most 64 KiB; send less text";
            return Err(Error::invalid("parameters", reason).into());
        }
        self.stream.get_mut().write_all(&message).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => self.give_up(MARGIN),
            _ => self.last_words().unwrap_or_else(|| error.into()),
        })
    }

    /// The daemon's last message before it closed the connection, for example to a caller beyond its limits. The
    /// client can read it, although it cannot write any more (unix(7)).
    fn last_words(&mut self) -> Option<ClientError> {
        let said = self.receive::<IgnoredAny>(Some(Duration::ZERO)).err();
        said.filter(|said| !matches!(said, ClientError::Connection(_)))
    }

    /// Closes the connection, because a late answer would look like the answer to the next call.
    fn give_up(&self, after: Duration) -> ClientError {
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
        ClientError::Silent { after }
    }

    /// The next answer. The daemon has to send it within `patience`, if that is set.
    fn receive<R: DeserializeOwned>(&mut self, patience: Option<Duration>) -> Result<Reply<R>, ClientError> {
        let after = patience.map(|patience| patience.saturating_add(MARGIN));
        self.stream.get_ref().set_read_timeout(after)?;
        let mut message = Vec::new();
        let read = self.stream.by_ref().take(MAX_MESSAGE as u64 * 16).read_until(0, &mut message);
        read.map_err(|error| match (error.kind(), after) {
            (io::ErrorKind::WouldBlock, Some(after)) => self.give_up(after),
            _ => error.into(),
        })?;
        if message.pop() != Some(0) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let Envelope { error, parameters, continues } =
            serde_json::from_slice(&message).map_err(io::Error::from)?;
        if let Some(name) = error {
            return Err(failure(&name, &message));
        }
        // In Varlink, an answer without content may have no parameters.
        let text = parameters.map_or("{}", RawValue::get);
        let parameters = serde_json::from_str(text).map_err(io::Error::from)?;
        Ok(Reply { parameters, continues })
    }
}

/// The fields of every answer.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    error: Option<String>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(default)]
    continues: bool,
}

fn failure(name: &str, message: &[u8]) -> ClientError {
    let keeper = serde_json::from_slice::<Error>(message).map(ClientError::from);
    let service = || serde_json::from_slice::<ServiceError>(message).map(ClientError::from);
    keeper.or_else(|_| service()).unwrap_or_else(|_| ClientError::Unknown { name: name.to_owned() })
}

/// The answers of a streaming call, until the last or the first error.
#[derive(Debug)]
pub struct Replies<'a, M> {
    client: &'a mut Client,
    more: bool,
    /// The time limit for the first answer. The times of later answers depend on the account or the user.
    patience: Option<Duration>,
    method: PhantomData<M>,
}

impl<M: Method> Iterator for Replies<'_, M> {
    type Item = Result<M::Reply, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.more {
            return None;
        }
        let answer = self.client.receive(self.patience.take());
        self.more = answer.as_ref().is_ok_and(|reply: &Reply<_>| reply.continues);
        Some(answer.map(|reply| reply.parameters))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::{Logout, Watch};

    /// The account in an answer of `Watch`.
    const CHANGE: &[u8] = b"{\"continues\":true,\"parameters\":{\"account\":{\"name\":\"a\",\"is_default\":true,\
        \"state\":\"empty\",\"auto_refresh\":true,\"login_pending\":false,\"unsaved\":false,\"settings\":{}}}}\0";

    /// The result of a call that gets `answer`.
    fn answered_with(answer: &'static str) -> Result<crate::SignedOut, ClientError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut call = Vec::new();
            BufReader::new(&stream).read_until(0, &mut call).unwrap();
            (&stream).write_all(answer.as_bytes()).unwrap();
        });
        let outcome = Client::connect_to(&path).unwrap().call(&Logout::default());
        daemon.join().unwrap();
        outcome
    }

    #[test]
    fn accepts_an_answer_without_parameters() {
        assert!(answered_with("{}\0").is_ok());
        assert!(answered_with("{\"parameters\":{}}\0").is_ok());
    }

    #[test]
    fn an_error_never_counts_as_success() {
        let known = answered_with(
            "{\"error\":\"org.imgurd.Keeper1.LoginFailed\",\"parameters\":{\"reason\":\"no\"}}\0",
        );
        assert!(matches!(known, Err(ClientError::Keeper(Error::LoginFailed { .. }))), "{known:?}");
        let service = answered_with("{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}\0");
        assert!(matches!(service, Err(ClientError::Service(ServiceError::ExpectedMore {}))), "{service:?}");
        let newer = answered_with("{\"error\":\"org.imgurd.Keeper1.Brandnew\",\"parameters\":{\"x\":1}}\0");
        assert!(matches!(newer, Err(ClientError::Unknown { .. })), "{newer:?}");
    }

    #[test]
    fn reads_the_last_message_of_a_closed_connection() {
        let (mut daemon, stream) = UnixStream::pair().unwrap();
        let refusal = "{\"error\":\"org.imgurd.Keeper1.TemporarilyUnavailable\",\
            \"parameters\":{\"reason\":\"full\"}}\0";
        daemon.write_all(refusal.as_bytes()).unwrap();
        drop(daemon);
        let mut client = Client { stream: BufReader::new(stream) };
        let refused = client.call(&Logout::default()).unwrap_err();
        assert!(matches!(refused, ClientError::Keeper(Error::TemporarilyUnavailable { .. })), "{refused:?}");
        assert!(matches!(client.call(&Logout::default()), Err(ClientError::Connection(_))));
    }

    #[test]
    fn closes_the_connection_to_a_daemon_that_does_not_answer() {
        let (mut daemon, stream) = UnixStream::pair().unwrap();
        let mut client = Client { stream: BufReader::new(stream) };
        let call = GetToken { wait_ms: Some(1), ..GetToken::default() };
        let silent = client.call(&call).unwrap_err();
        assert!(matches!(silent, ClientError::Silent { after } if after > MARGIN), "{silent:?}");
        assert!(
            daemon.write_all(b"{}\0").is_err(),
            "the client closes the connection, so that no late answer is taken for another"
        );
        assert!(matches!(client.call(&Logout::default()), Err(ClientError::Connection(_))));
    }

    #[test]
    fn only_the_first_answer_of_a_stream_has_a_time_limit() {
        let (_daemon, stream) = UnixStream::pair().unwrap();
        let mut client = Client { stream: BufReader::new(stream) };
        let silent = client.stream(&Watch::default()).unwrap().next().unwrap();
        assert!(matches!(silent, Err(ClientError::Silent { .. })), "{silent:?}");

        let (mut daemon, stream) = UnixStream::pair().unwrap();
        let mut client = Client { stream: BufReader::new(stream) };
        daemon.write_all(CHANGE).unwrap();
        let mut changes = client.stream(&Watch::default()).unwrap();
        changes.next().unwrap().unwrap();
        assert_eq!(changes.patience, None);
        daemon.write_all(CHANGE).unwrap();
        changes.next().unwrap().unwrap();
        assert_eq!(client.stream.get_ref().read_timeout().unwrap(), None);
    }

    #[test]
    fn a_closed_connection_is_not_an_answer() {
        assert!(matches!(answered_with(""), Err(ClientError::Connection(_))));
    }
}
