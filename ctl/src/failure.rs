//! Why a command failed: one line, one exit code, one JSON object.

use std::io;
use std::path::Path;

use imgurd_proto::text::cause;
use imgurd_proto::varlink::ServiceError;
use imgurd_proto::{ClientError, Error};
use serde::Serialize;
use serde_json::{Map, Value};

/// What ends a command early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The daemon answered with an error, or not at all.
    #[error("{}", explain(.0))]
    Client(#[from] ClientError),
    /// Ctrl-C or Ctrl-D at a question.
    #[error("cancelled; nothing was changed")]
    Cancelled,
    /// Standard input, or the terminal, cannot be read.
    #[error("cannot read standard input: {}; check where it comes from", cause(.0))]
    Input(io::Error),
    /// Standard output cannot be written. A closed pipe, as after `| head -1`, is not an error.
    #[error("cannot write to standard output: {}; check where it goes", cause(.0))]
    Output(io::Error),
    /// A program could not be started; the exit code is that of env(1).
    #[error("{reason}")]
    NotStarted {
        /// 127 if it was not found, otherwise 126.
        code: u8,
        /// The cause, and what to do.
        reason: String,
    },
    /// A program ended with this exit code, and reported the error itself.
    #[error("the program ended with exit code {0}")]
    Ended(u8),
    /// Anything else; the sentence ends with what to do.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// An invalid argument.
    pub(crate) fn usage(field: &str, reason: impl Into<String>) -> Self {
        Error::invalid(field, reason).into()
    }

    pub(crate) fn not_started(program: &str, error: &io::Error) -> Self {
        let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let then = if code == 127 { "install it, or check $PATH" } else { "check its permissions" };
        Self::NotStarted {
            code,
            reason: format!("cannot run {program}: {error}; {then}", error = cause(&error)),
        }
    }

    pub(crate) fn cannot(verb: &str, path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        Self::Other(format!("cannot {verb} {path}: {}; check its permissions", cause(error)))
    }

    /// A stream without an end ended.
    pub(crate) fn stream_ended() -> Self {
        Self::Client(io::Error::from(io::ErrorKind::UnexpectedEof).into())
    }

    /// Whether to print no message: the output is closed, or another program has reported the error.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Ended(_)) || self.exit_code() == 0
    }

    /// The exit code, as `imgurctl --help` lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::Keeper(error)) => keeper_code(error),
            Self::Client(ClientError::Unreachable { .. } | ClientError::Silent { .. }) => 8,
            Self::Client(ClientError::Connection(error)) if is_hang_up(error) => 8,
            Self::Cancelled => 130,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::NotStarted { code, .. } | Self::Ended(code) => *code,
            Self::Client(_) | Self::Input(_) | Self::Output(_) | Self::Other(_) => 1,
        }
    }

    /// The error's name, as scripts read it.
    fn name(&self) -> &'static str {
        match self {
            Self::Client(ClientError::Keeper(error)) => error.name(),
            Self::Cancelled => "Cancelled",
            _ if self.exit_code() == 8 => "DaemonUnreachable",
            _ => "Failed",
        }
    }

    /// `{"error": NAME, …}`: the keeper's own fields, or a `reason`.
    pub(crate) fn json(&self) -> String {
        let fields = match self {
            Self::Client(ClientError::Keeper(error)) => parameters(error),
            _ => Map::from_iter([("reason".into(), self.to_string().into())]),
        };
        let report = Report { error: self.name(), fields };
        serde_json::to_string(&report).unwrap_or_else(|_| format!(r#"{{"error":"{}"}}"#, self.name()))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error.into())
    }
}

/// A flattened struct, so that `error` comes first.
#[derive(Serialize)]
struct Report {
    error: &'static str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

fn parameters(error: &Error) -> Map<String, Value> {
    let mut envelope = serde_json::to_value(error).unwrap_or_default();
    serde_json::from_value(envelope["parameters"].take()).unwrap_or_default()
}

fn keeper_code(error: &Error) -> u8 {
    match error {
        Error::InvalidArgument { .. } => 2,
        Error::NoSuchAccount { .. } => 3,
        Error::ConsentNeeded { .. } => 4,
        Error::AccessDenied { .. } => 5,
        Error::TemporarilyUnavailable { .. } => 6,
        Error::StoreUnavailable { .. } => 7,
        Error::Misconfigured { .. } => 9,
        Error::LoginFailed { .. } => 10,
    }
}

/// Whether the daemon disconnected. A daemon that ends during a call counts as unreachable.
fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

fn explain(error: &ClientError) -> String {
    match error {
        // Both sides ignore unknown fields, so only a newer client gets this answer.
        ClientError::Service(
            ServiceError::MethodNotFound { method: word }
            | ServiceError::InvalidParameter { parameter: word },
        ) => format!(
            "imgurd is older than this imgurctl and does not know {word}; \
             restart it with `systemctl --user restart imgurd`"
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason() -> String {
        "it is so; do this".into()
    }

    fn every_keeper_error() -> Vec<(Error, u8, &'static str)> {
        let account = || "a".to_owned();
        vec![
            (
                Error::invalid("flow", reason()),
                2,
                r#"{"error":"InvalidArgument","field":"flow","reason":"it is so; do this"}"#,
            ),
            (
                Error::NoSuchAccount { account: account(), reason: reason() },
                3,
                r#"{"error":"NoSuchAccount","account":"a","reason":"it is so; do this"}"#,
            ),
            (
                Error::ConsentNeeded { account: account(), reason: reason() },
                4,
                r#"{"error":"ConsentNeeded","account":"a","reason":"it is so; do this"}"#,
            ),
            (
                Error::AccessDenied { reason: reason() },
                5,
                r#"{"error":"AccessDenied","reason":"it is so; do this"}"#,
            ),
            (
                Error::TemporarilyUnavailable { reason: reason(), retry_at: Some(7) },
                6,
                r#"{"error":"TemporarilyUnavailable","reason":"it is so; do this","retry_at":7}"#,
            ),
            (
                Error::StoreUnavailable { reason: reason() },
                7,
                r#"{"error":"StoreUnavailable","reason":"it is so; do this"}"#,
            ),
            (
                Error::Misconfigured { setting: "client_id".into(), reason: reason() },
                9,
                r#"{"error":"Misconfigured","reason":"it is so; do this","setting":"client_id"}"#,
            ),
            (Error::login(reason()), 10, r#"{"error":"LoginFailed","reason":"it is so; do this"}"#),
        ]
    }

    #[test]
    fn every_keeper_error_has_its_exit_code_and_json() {
        for (error, code, json) in every_keeper_error() {
            let failure = Failure::from(error);
            assert_eq!(failure.exit_code(), code);
            assert_eq!(failure.json(), json);
            assert_eq!(failure.to_string(), "it is so; do this");
        }
    }

    #[test]
    fn reports_a_closed_connection_as_unreachable() {
        let failure = Failure::stream_ended();
        assert_eq!((failure.exit_code(), failure.name()), (8, "DaemonUnreachable"));
    }

    #[test]
    fn reports_a_silent_daemon_as_unreachable() {
        let failure = Failure::Client(ClientError::Silent { after: std::time::Duration::from_secs(25) });
        assert_eq!((failure.exit_code(), failure.name()), (8, "DaemonUnreachable"));
        assert!(failure.to_string().starts_with("imgurd did not answer within 25 s"), "{failure}");
    }

    #[test]
    fn reports_an_unreadable_answer_as_a_failure() {
        let failure = Failure::Client(io::Error::from(io::ErrorKind::InvalidData).into());
        assert_eq!((failure.exit_code(), failure.name()), (1, "Failed"));
    }

    #[test]
    fn tells_to_restart_an_older_daemon() {
        let method = "org.imgurd.Keeper1.Later".into();
        let failure = Failure::Client(ServiceError::MethodNotFound { method }.into());
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(
            failure.to_string(),
            "imgurd is older than this imgurctl and does not know org.imgurd.Keeper1.Later; \
             restart it with `systemctl --user restart imgurd`"
        );
    }

    #[test]
    fn ends_silently_when_the_pipe_is_closed() {
        let failure = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert!(failure.exit_code() == 0 && failure.is_silent());
        let failure = Failure::Output(io::ErrorKind::StorageFull.into());
        assert!(failure.exit_code() == 1 && !failure.is_silent());
    }

    #[test]
    fn exits_with_130_when_cancelled() {
        assert_eq!(Failure::Cancelled.exit_code(), 130);
        assert!(Failure::Cancelled.json().starts_with(r#"{"error":"Cancelled""#));
    }
}
