//! A start that fails while systemd holds the sockets. If imgurd ended, each waiting caller would have systemd start it
//! again, and none would get an answer. So it stays, and answers every call with the error.

use std::time::Duration;

use anyhow::bail;
use imgurd_proto::Error;
use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Foundation, Options, Passed, Signals, Told};
use crate::bus::Bus;
use crate::config::ConfigError;
use crate::ipc::{Refusal, refuse};
use crate::supervisor::tell;

/// How often the start is tried again. Not all causes can be watched: permissions, another imgurd that ends.
const RETRY: Duration = Duration::from_secs(1);

/// Answers every call with `failure` until imgurd is told to stop.
///
/// # Errors
/// As soon as `failure` is over or is another one, so that systemd starts imgurd again (`Restart=on-failure`).
pub(super) async fn answer(
    options: &Options,
    signals: &mut Signals,
    passed: Passed,
    failure: anyhow::Error,
) -> anyhow::Result<()> {
    let error = told(&failure, options);
    tracing::error!(%error, "imgurd cannot start, and answers every call with this error");
    tell(&[NotifyState::Ready, NotifyState::Status(&error.to_string())]).await;
    let refusal = Refusal(error);
    let mut answering = JoinSet::new();
    for socket in [passed.0, passed.1].into_iter().flatten() {
        let refusal = refusal.clone();
        answering.spawn(async move { socket.turn_away(&refusal).await });
    }
    if !options.no_dbus {
        answering.spawn(refuse(Bus::session(), refusal));
    }
    let lasts = || Foundation::lay(options).is_err_and(|error| error.to_string() == failure.to_string());
    while lasts() {
        tokio::select! {
            told = signals.next() => if told == Told::Stop { return Ok(()) },
            () = sleep(RETRY) => tell(&[NotifyState::Watchdog]).await,
        }
    }
    bail!("what kept imgurd from starting has changed, so systemd starts it again")
}

/// The failure as callers are told of it.
fn told(failure: &anyhow::Error, options: &Options) -> Error {
    let (setting, reason) = match (failure.downcast_ref::<ConfigError>(), options.config_file()) {
        (Some(ConfigError { setting, reason }), Ok(file)) => {
            (setting.clone(), format!("imgurd cannot use {}: {reason}", file.path().display()))
        }
        _ => (String::new(), format!("imgurd cannot start: {failure:#}")),
    };
    Error::Misconfigured { setting, reason }
}
