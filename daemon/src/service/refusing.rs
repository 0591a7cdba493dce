//! A start that fails while systemd holds the sockets: imgurd stays, answers every call with the reason, and starts as
//! soon as it can. Ending instead would have systemd start it again for each caller who waits in the socket, until the
//! start limit closes that.

use std::path::PathBuf;
use std::time::Duration;

use imgurd_proto::Error;
use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Foundation, Options, Passed, Signals, Told, edited, watch};
use crate::bus::Bus;
use crate::config::ConfigError;
use crate::ipc::{Refusal, refuse};
use crate::supervisor::tell;

/// When the start is tried again for what no watch tells of, such as permissions, or another keeper that ends.
const RETRY: Duration = Duration::from_secs(3);

/// Answers callers until the start succeeds; nothing where imgurd is told to stop first.
pub(super) async fn until_mended(
    options: &Options,
    signals: &mut Signals,
    sockets: &Passed,
    bus: Option<Bus>,
    mut failure: anyhow::Error,
) -> Option<Foundation> {
    let path = options.config_file().ok().map(|file| file.path().to_owned());
    loop {
        let reason = told(&failure, path.as_ref());
        tracing::error!(error = %reason, "imgurd cannot start, and answers every call with this error");
        tell(&[NotifyState::Ready, NotifyState::Status(&reason.to_string())]).await;
        // Dropped with the last answer, and before what is mended is used.
        let _answering = answer(sockets, bus.as_ref(), &Refusal::new(reason));
        let said = failure.to_string();
        let watch = path.as_deref().and_then(watch);
        loop {
            tokio::select! {
                biased;
                told = signals.next() => match told {
                    Told::Stop => return None,
                    Told::Reload => reloading().await,
                },
                () = edited(watch.as_ref()) => {}
                () = sleep(RETRY) => {}
            }
            match Foundation::lay(options) {
                Ok(foundation) => return Some(foundation),
                Err(error) if error.to_string() != said => {
                    failure = error;
                    break;
                }
                Err(_) => {}
            }
        }
    }
}

/// `systemctl reload` waits for an answer to it.
async fn reloading() {
    let now = NotifyState::monotonic_usec_now().ok();
    tell(&[NotifyState::Reloading].into_iter().chain(now).collect::<Vec<_>>()).await;
    tell(&[NotifyState::Ready]).await;
}

fn answer(sockets: &Passed, bus: Option<&Bus>, refusal: &Refusal) -> JoinSet<()> {
    let mut answering = JoinSet::new();
    for socket in [&sockets.local, &sockets.remote].into_iter().flatten().cloned() {
        let refusal = refusal.clone();
        answering.spawn(async move { socket.turn_away(&refusal).await });
    }
    if let Some(bus) = bus {
        answering.spawn(refuse(bus.clone(), refusal.clone()));
    }
    answering
}

/// The failure as callers are told of it.
fn told(failure: &anyhow::Error, path: Option<&PathBuf>) -> Error {
    match (failure.downcast_ref::<ConfigError>(), path) {
        (Some(ConfigError { setting, reason }), Some(path)) => Error::Misconfigured {
            setting: setting.clone(),
            reason: format!("imgurd cannot use {}: {reason}", path.display()),
        },
        _ => Error::Misconfigured {
            setting: String::new(),
            reason: format!("imgurd cannot start: {failure:#}"),
        },
    }
}
