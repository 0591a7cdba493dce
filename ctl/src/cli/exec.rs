//! `imgurctl exec`.

use std::ffi::OsString;

use clap::{Args, ValueHint};
use rustix::process::Signal;
use signal_hook::low_level::signal_name;

use super::variable::{self, variable};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl exec -- ./upload.py cat.png
  imgurctl exec me --env TOKEN -- sh -c 'echo ${#TOKEN}'
  imgurctl exec me --env-client-id IMGUR_CLIENT_ID -- ./upload.py cat.png
  imgurctl exec --on-refresh restart -- ./bot.py                # a long-running program

The command replaces imgurctl: it receives all signals, and its exit status is the result. 127 means that it was not found, \
126 that it could not be started. Your other programs can read its environment. The token in the environment never \
changes: a long-running program should ask for tokens itself, or needs --on-refresh.

With --on-refresh, imgurctl stays and supervises the command. It forwards SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and \
SIGUSR2, and exits with the command's exit status, or with 128 plus the number of the signal that ended it. `restart` sends \
SIGTERM, waits until the command ends, and starts it again with the new token. A signal such as HUP tells a program to read \
the new token from `imgurctl token` or from a file.")]
pub(crate) struct ExecArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Environment variable for the token
    #[arg(long, value_name = "NAME", default_value = variable::DEFAULT, value_parser = variable)]
    pub(crate) env: String,
    /// Environment variable for the account's client ID [default: none]
    #[arg(long, value_name = "NAME", value_parser = variable)]
    pub(crate) env_client_id: Option<String>,
    /// When there is a new token, `restart` the command or send it a signal such as HUP
    #[arg(long, value_name = "restart|SIGNAL", value_parser = on_refresh)]
    pub(crate) on_refresh: Option<OnRefresh>,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

/// How a long-running command gets a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnRefresh {
    /// imgurctl ends it and starts it again.
    Restart,
    /// It gets this signal, and fetches the token itself.
    Signal(Signal),
}

fn on_refresh(text: &str) -> Result<OnRefresh, String> {
    if text == "restart" {
        return Ok(OnRefresh::Restart);
    }
    let name = text.to_ascii_uppercase();
    let name = format!("SIG{}", name.strip_prefix("SIG").unwrap_or(&name));
    let number = (1..32).find(|number| signal_name(*number) == Some(&name));
    let signal = number.and_then(Signal::from_named_raw).map(OnRefresh::Signal);
    signal.ok_or_else(|| "give `restart` or the name of a signal, such as HUP".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_signal_names_with_and_without_sig() {
        for name in ["HUP", "SIGHUP", "hup"] {
            assert_eq!(on_refresh(name), Ok(OnRefresh::Signal(Signal::HUP)), "{name}");
        }
        assert_eq!(on_refresh("restart"), Ok(OnRefresh::Restart));
        for name in ["", "SIG", "1", "reload"] {
            assert!(on_refresh(name).is_err(), "{name}");
        }
    }
}
