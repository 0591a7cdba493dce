//! A blocking client on the local socket.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use interprocess::local_socket::traits::Stream as _;
use interprocess::local_socket::{GenericFilePath, Stream, ToFsName};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::varlink::{Call, MAX_MESSAGE, Reply, ServiceError, ServiceInfo};
use crate::{Error, GetToken, INTERFACE, Method, RejectToken, Secret, Token};

/// Why a call did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket.
    #[error(
        "imgurd does not answer at {path} ({source}); start it with `systemctl --user start imgurd`, or run `imgurd`"
    )]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keeper said no.
    #[error(transparent)]
    Keeper(#[from] Error),
    /// The daemon does not understand the call, as an older one does not a newer call.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The daemon answered with an error that this client has never heard of, as a newer one may.
    #[error(
        "imgurd answered with {name}, which this client does not know; it is older than the daemon, update it"
    )]
    Unknown {
        /// The error's full name.
        name: String,
    },
    /// The connection ended, or carried something that is no answer.
    #[error("the connection to imgurd broke: {0}; try again, and see `journalctl --user -u imgurd`")]
    Connection(#[from] io::Error),
}

/// Where the daemon listens: `$IMGURD_SOCKET`, else `$XDG_RUNTIME_DIR/imgurd/socket`, else below `/run/user/UID`.
#[must_use]
pub fn socket_path() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("IMGURD_SOCKET").unwrap_or_else(|| {
        set("XDG_RUNTIME_DIR")
            .unwrap_or_else(|| format!("/run/user/{}", rustix::process::getuid().as_raw()).into())
            .join("imgurd/socket")
    })
}

/// A connection to the keeper. Calls block until they are answered, for which the keeper sets the bounds.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<Stream>,
}

impl Client {
    /// Connects to the daemon of this user.
    pub fn connect() -> Result<Self, ClientError> {
        Self::connect_to(&socket_path())
    }

    /// Connects to the daemon behind `path`.
    pub fn connect_to(path: &Path) -> Result<Self, ClientError> {
        path.to_fs_name::<GenericFilePath>()
            .and_then(Stream::connect)
            .map(|stream| Self { stream: BufReader::new(stream) })
            .map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })
    }

    /// The current access token of `account`, or of the default one.
    pub fn get_token(&mut self, account: Option<&str>) -> Result<Token, ClientError> {
        let call = GetToken { account: account.map(Into::into), ..GetToken::default() };
        Ok(self.call(&call)?.token)
    }

    /// Says that a server rejected `access_token`, and returns one that works.
    pub fn reject_token(
        &mut self,
        account: Option<&str>,
        access_token: Secret,
    ) -> Result<Token, ClientError> {
        let call = RejectToken { account: account.map(Into::into), access_token, wait_ms: None };
        Ok(self.call(&call)?.token)
    }

    /// Calls a method and waits for its one answer.
    pub fn call<M: Method>(&mut self, call: &M) -> Result<M::Reply, ClientError> {
        self.send(&format!("{INTERFACE}.{}", M::NAME), call, false)?;
        self.receive().map(|reply| reply.parameters)
    }

    /// Calls a method that answers more than once.
    pub fn stream<M: Method>(&mut self, call: &M) -> Result<Replies<'_, M>, ClientError> {
        self.send(&format!("{INTERFACE}.{}", M::NAME), call, true)?;
        Ok(Replies { client: self, more: true, method: PhantomData })
    }

    /// What the daemon says of itself, its version among it.
    pub fn info(&mut self) -> Result<ServiceInfo, ClientError> {
        self.send("org.varlink.service.GetInfo", &serde_json::Map::new(), false)?;
        self.receive().map(|reply| reply.parameters)
    }

    fn send<P: serde::Serialize>(&mut self, method: &str, parameters: &P, more: bool) -> io::Result<()> {
        let call = Call { method: method.to_owned(), parameters: Some(parameters), more, oneway: false };
        let mut message = serde_json::to_vec(&call)?;
        message.push(0);
        self.stream.get_mut().write_all(&message)
    }

    fn receive<R: DeserializeOwned>(&mut self) -> Result<Reply<R>, ClientError> {
        let mut message = Vec::new();
        self.stream.by_ref().take(MAX_MESSAGE as u64 * 16).read_until(0, &mut message)?;
        if message.pop() != Some(0) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let Envelope { error, parameters, continues } =
            serde_json::from_slice(&message).map_err(io::Error::from)?;
        if let Some(name) = error {
            return Err(failure(&name, &message));
        }
        // Varlink lets an answer without content leave its parameters out.
        let text = parameters.map_or("{}", RawValue::get);
        let parameters = serde_json::from_str(text).map_err(io::Error::from)?;
        Ok(Reply { parameters, continues })
    }
}

/// What every answer has, whatever it holds.
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
    method: PhantomData<M>,
}

impl<M: Method> Iterator for Replies<'_, M> {
    type Item = Result<M::Reply, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.more {
            return None;
        }
        let answer = self.client.receive();
        self.more = answer.as_ref().is_ok_and(|reply: &Reply<_>| reply.continues);
        Some(answer.map(|reply| reply.parameters))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::Logout;

    /// What a client makes of `answer` to a call.
    fn answered_with(answer: &'static str) -> Result<crate::Done, ClientError> {
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
    fn an_answer_without_content_may_leave_its_parameters_out() {
        assert!(answered_with("{}\0").is_ok());
        assert!(answered_with("{\"parameters\":{}}\0").is_ok());
    }

    #[test]
    fn an_error_is_never_taken_for_success() {
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
    fn a_daemon_that_hangs_up_is_no_answer() {
        assert!(matches!(answered_with(""), Err(ClientError::Connection(_))));
    }
}
