//! Handles a failed start while systemd holds the sockets. imgurd keeps running and answers every call with the error. If it
//! exited, systemd would start it again for each waiting caller, and no caller would get an answer.

use std::time::Duration;

use anyhow::bail;
use imgurd_proto::Error;
use imgurd_proto::text::cause;
use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::foundation::Foundation;
use super::options::Options;
use super::signals::{Request, Signals};
use super::sockets::Passed;
use crate::bus::Bus;
use crate::config::ConfigError;
use crate::ipc::{Refusal, refuse};
use crate::supervisor::notify_manager;

/// How often the start is tried again. Some causes cannot be watched, such as permissions or another running imgurd.
const RETRY: Duration = Duration::from_secs(1);

/// Answers every call with `failure` until imgurd is told to stop.
///
/// # Errors
/// When `failure` has ended or changed, so that systemd starts imgurd again (`Restart=on-failure`).
pub(super) async fn answer(
    options: &Options,
    signals: &mut Signals,
    passed: Passed,
    failure: anyhow::Error,
) -> anyhow::Result<()> {
    let error = describe(&failure, options);
    tracing::error!(%error, "imgurd cannot start, and answers every call with this error");
    notify_manager(&[NotifyState::Ready, NotifyState::Status(&error.to_string())]).await;
    let refusal = Refusal(error);
    let mut answering = JoinSet::new();
    for socket in [passed.0, passed.1].into_iter().flatten() {
        let refusal = refusal.clone();
        answering.spawn(async move { socket.refuse_all(&refusal).await });
    }
    if !options.no_dbus {
        answering.spawn(refuse(Bus::session(), refusal));
    }
    let lasts = || Foundation::lay(options).is_err_and(|error| error.to_string() == failure.to_string());
    while lasts() {
        tokio::select! {
            request = signals.next() => if request == Request::Stop { return Ok(()) },
            () = sleep(RETRY) => notify_manager(&[NotifyState::Watchdog]).await,
        }
    }
    bail!("imgurd can start now; systemd restarts it")
}

/// The failure as callers see it.
fn describe(failure: &anyhow::Error, options: &Options) -> Error {
    let (setting, reason) = match (failure.downcast_ref::<ConfigError>(), options.config_file()) {
        (Some(ConfigError { setting, reason }), Ok(file)) => {
            (setting.clone(), format!("imgurd cannot use {}: {reason}", file.path().display()))
        }
        _ => (String::new(), format!("imgurd cannot start: {}", cause(&format_args!("{failure:#}")))),
    };
    Error::Misconfigured { setting, reason }
}
