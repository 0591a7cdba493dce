use std::os::unix::net::UnixStream;

use tokio::sync::mpsc;
use tokio::time::Instant;
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Guid, Variant};

use super::*;

const PROMPT: &str = "/org/freedesktop/secrets/prompt/p1";

const PATIENCE: Duration = Duration::from_mins(2);

/// A dialog, and what was done to it.
struct Dialog {
    done: mpsc::UnboundedSender<&'static str>,
    answer: Option<bool>,
}

#[zbus::interface(name = "org.freedesktop.Secret.Prompt")]
impl Dialog {
    async fn prompt(&self, window_id: &str, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        assert_eq!(window_id, "", "imgurd has no window");
        self.done.send("shown").unwrap();
        if let Some(dismissed) = self.answer {
            Self::completed(&emitter, dismissed, Variant::from("")).await.unwrap();
        }
    }

    fn dismiss(&self) {
        self.done.send("dismissed").unwrap();
    }

    #[zbus(signal)]
    async fn completed(emitter: &SignalEmitter<'_>, dismissed: bool, result: Variant<'_>)
    -> zbus::Result<()>;
}

/// Both ends of a connection, a dialog behind the first, and what is done to it.
async fn dialog(
    answer: Option<bool>,
) -> (Connection, ServiceProxy<'static>, mpsc::UnboundedReceiver<&'static str>) {
    let (done, log) = mpsc::unbounded_channel();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let keyring = Builder::unix_stream(theirs)
        .server(Guid::generate())
        .p2p()
        .serve_at(PROMPT, Dialog { done, answer })
        .build();
    let (keyring, connection) = tokio::join!(keyring, Builder::unix_stream(ours).p2p().build());
    let service = ServiceProxy::new(&connection.unwrap()).await.unwrap();
    (keyring.unwrap(), service, log)
}

#[tokio::test]
async fn an_answered_dialog_unlocks_and_a_dismissed_one_does_not() {
    let path = OwnedObjectPath::try_from(PROMPT).unwrap();
    let (_keyring, service, _log) = dialog(Some(false)).await;
    assert_eq!(answer(&service, path.clone(), PATIENCE).await, Ok(()));
    let (_keyring, service, _log) = dialog(Some(true)).await;
    assert_eq!(answer(&service, path.clone(), PATIENCE).await, Err(sentences::dismissed()));
}

#[tokio::test(start_paused = true)]
async fn a_dialog_that_nobody_answers_is_taken_away_after_two_minutes() {
    let path = OwnedObjectPath::try_from(PROMPT).unwrap();
    let (_keyring, service, mut log) = dialog(None).await;
    let before = Instant::now();
    assert_eq!(answer(&service, path.clone(), PATIENCE).await, Err(sentences::unanswered()));
    assert_eq!(before.elapsed().as_secs(), 120);
    assert_eq!((log.recv().await, log.recv().await), (Some("shown"), Some("dismissed")));
}
