//! The accounts, this machine's clock, and the ports of their callbacks.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use imgurd_proto::text::cause;
use imgurd_proto::{Account, ClientError, Finding, Flow, Health, State, is_loopback};
use rustix::io::Errno;
use url::{Host, Url};

use crate::failure::Failure;

pub(super) fn check(accounts: Result<Vec<Account>, ClientError>) -> Vec<Finding> {
    let accounts = match accounts {
        Ok(accounts) => accounts,
        Err(error) => return vec![Finding::error("account", Health::Fail, Failure::from(error))],
    };
    if accounts.is_empty() {
        return vec![Finding::warn(
            "account",
            "There is no account yet",
            "add one with `imgurctl account add NAME`",
        )];
    }
    let mut findings = vec![clock(&accounts)];
    findings.extend(callbacks(&accounts));
    findings.extend(accounts.iter().map(state));
    findings
}

/// The clock, compared with the servers' answers; see `clock_skew_s`.
fn clock(accounts: &[Account]) -> Finding {
    const CHECK: &str = "clock";
    match accounts.iter().filter_map(|account| account.clock_skew_s).max_by_key(|skew| skew.abs()) {
        None => Finding::ok(CHECK, "This machine's clock agrees with the servers'"),
        Some(skew) => {
            let side = if skew > 0 { "ahead of" } else { "behind" };
            let detail = format!("This machine's clock is {} s {side} a server's", skew.abs());
            Finding::warn(CHECK, detail, "set the clock, for example with `timedatectl set-ntp true`")
        }
    }
}

/// A finding for each port that a login listens on.
fn callbacks(accounts: &[Account]) -> Vec<Finding> {
    let mut callbacks = BTreeMap::new();
    let answers = |account: &&Account| !matches!(account.settings.flow, Some(Flow::Pin | Flow::Device));
    for account in accounts.iter().filter(answers) {
        let uri = account.settings.redirect_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
        let Some((uri, addresses)) = uri.and_then(|uri| Some((uri.clone(), loopback(&uri)?))) else {
            continue;
        };
        let port = uri.port_or_known_default().unwrap_or(80);
        let (_, is_ours) = callbacks.entry(port).or_insert((addresses, false));
        *is_ours |= account.login_pending;
    }
    callbacks.into_iter().map(|(port, (addresses, is_ours))| callback(port, &addresses, is_ours)).collect()
}

/// The loopback addresses of a callback; `None` if it is on another machine.
fn loopback(uri: &Url) -> Option<Vec<IpAddr>> {
    uri.host_str().filter(|host| is_loopback(host))?;
    Some(match uri.host()? {
        Host::Ipv4(address) => vec![address.into()],
        Host::Ipv6(address) => vec![address.into()],
        Host::Domain(_) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    })
}

fn callback(port: u16, addresses: &[IpAddr], is_ours: bool) -> Finding {
    const CHECK: &str = "callback";
    if is_ours {
        return Finding::ok(CHECK, format!("imgurd listens on port {port} for the sign-in in progress"));
    }
    // Like in imgurd, one address is enough on a machine without IPv6.
    let bound = addresses.iter().map(|address| TcpListener::bind((*address, port)));
    let (bound, failed): (Vec<_>, Vec<_>) = bound.partition(Result::is_ok);
    let failed: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
    let hindrance = failed.iter().find(|error| !is_missing(error));
    match hindrance.or_else(|| failed.first().filter(|_| bound.is_empty())) {
        None => Finding::ok(CHECK, format!("Port {port} is free for the callback of a sign-in")),
        // Do not recommend --paste, because the browser would send the answer to that program first.
        Some(error) if error.kind() == ErrorKind::AddrInUse => {
            let detail =
                format!("Another program listens on port {port}, which a sign-in needs for its callback");
            let hint = format!(
                "do not sign in while it runs: end it (find it with `ss -ltnp sport = :{port}`, as root if it is another user's)"
            );
            Finding::fail(CHECK, detail, hint)
        }
        Some(error) => {
            let detail = format!(
                "imgurd cannot listen on port {port}, which a sign-in needs for its callback ({error})",
                error = cause(&error)
            );
            Finding::fail(
                CHECK,
                detail,
                "register a callback URL with a port above 1023, and set redirect_uri to it",
            )
        }
    }
}

/// Whether this machine does not have the address, or its family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

fn state(account: &Account) -> Finding {
    const CHECK: &str = "account";
    let name = &account.name;
    let result = match account.state {
        // The clock has its own line.
        State::Fresh if account.reason.is_none() || account.clock_skew_s.is_some() => {
            return Finding::ok(CHECK, format!("{name} has a valid token"));
        }
        State::Refreshing => return Finding::ok(CHECK, format!("{name} is getting a new token")),
        State::Fresh | State::Empty | State::Stale | State::Waiting => Health::Warn,
        State::ConsentNeeded | State::Misconfigured | State::StoreUnavailable => Health::Fail,
    };
    let reason = account.reason.clone().unwrap_or_else(|| account.state.to_string());
    Finding::error(CHECK, result, format!("{name}: {reason}"))
}
