//! `imgurctl doctor`: checks everything that imgurd depends on, and prints how to fix what fails.
//!
//! The output can be pasted into a report: it contains no token, secret or username, and the home directory is `~`.

mod accounts;
mod environment;
mod permissions;
mod session;

use std::env;
use std::path::Path;
use std::process::Command;

use imgurd_proto::text::printable;
use imgurd_proto::{Finding, Health, Probe};

use super::login;
use crate::app::App;
use crate::failure::Failure;
use crate::files::{self, Files};
use crate::terminal::output::Output;

pub(crate) fn doctor(app: &App) -> Result<(), Failure> {
    let findings = findings(app);
    if app.output.json {
        Output::print_json(&findings)?;
    } else {
        let color = app.output.is_colored();
        let lines: Vec<_> = findings.iter().map(|finding| line(finding, color)).collect();
        Output::print(&lines.join("\n"))?;
    }
    let failed = findings.iter().filter(|finding| finding.result == Health::Fail).count();
    let total = findings.len();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::Other(format!(
        "{failed} of {total} checks failed; each line that says so ends with what to do"
    )))
}

/// A check comes before those that depend on it.
fn findings(app: &App) -> Vec<Finding> {
    let daemon = daemon_version(app);
    let mut findings = vec![version(&daemon)];
    findings.extend(session::check(daemon.is_ok()));
    findings.extend(Files::from_env().into_iter().flat_map(|files| permissions::check(&files, &app.socket)));
    findings.extend(configuration());
    match daemon {
        Ok(_) => {
            findings.extend(probe(app));
            findings.extend(accounts::check(app.accounts(None)));
        }
        Err(_) => findings.extend(session::bus()),
    }
    findings.push(browser());
    findings.into_iter().map(without_home).collect()
}

fn daemon_version(app: &App) -> Result<String, Failure> {
    Ok(app.connect()?.info()?.version)
}

fn version(daemon: &Result<String, Failure>) -> Finding {
    const CHECK: &str = "daemon";
    const OWN: &str = env!("CARGO_PKG_VERSION");
    match daemon {
        Ok(version) if version == OWN => {
            Finding::ok(CHECK, format!("imgurd {version} answers, and imgurctl is as new"))
        }
        Ok(version) => Finding::warn(
            CHECK,
            format!("imgurd {version} answers, and imgurctl is {OWN}"),
            "restart imgurd with `systemctl --user restart imgurd`, and install both anew if that does not help",
        ),
        Err(failure) => Finding::error(CHECK, Health::Fail, failure),
    }
}

/// The daemon's own checks.
fn probe(app: &App) -> Vec<Finding> {
    match app.call_patiently(&Probe::default(), || "Waiting for the accounts' servers to answer".to_owned()) {
        Ok(reply) => environment::compare(&reply).into_iter().chain(reply.findings).collect(),
        Err(error) => vec![Finding::error("probe", Health::Warn, Failure::from(error))],
    }
}

/// What `imgurd --check` says about the configuration; `None` if there is no such program.
fn configuration() -> Option<Finding> {
    const CHECK: &str = "configuration";
    let beside = env::current_exe().ok()?.with_file_name("imgurd");
    let program = if beside.is_file() { beside } else { "imgurd".into() };
    let checked = Command::new(program).arg("--check").output().ok()?;
    if checked.status.success() {
        return Some(Finding::ok(CHECK, "imgurd understands its configuration"));
    }
    let said = String::from_utf8_lossy(&checked.stderr);
    let said = said.trim().trim_start_matches("Error: ").lines().next().unwrap_or_default();
    Some(Finding::error(CHECK, Health::Fail, said))
}

/// Whether `imgurctl login` can open a browser.
fn browser() -> Finding {
    const CHECK: &str = "login";
    if login::has_display() && webbrowser::Browser::is_available() {
        return Finding::ok(CHECK, "`imgurctl login` finds a browser here");
    }
    Finding::warn(
        CHECK,
        "`imgurctl login` finds no display or no browser here",
        "sign in with `imgurctl login --paste`, with a browser on any machine",
    )
}

fn line(finding: &Finding, color: bool) -> String {
    let (word, hue) = match finding.result {
        Health::Ok => ("ok  ", 32),
        Health::Warn => ("warn", 33),
        Health::Fail => ("fail", 31),
    };
    let word = if color { format!("\x1b[{hue}m{word}\x1b[0m") } else { word.to_owned() };
    format!("{word}  {}", printable(&format!("{}: {finding}", finding.check)))
}

/// The home directory's name is usually the user's.
fn without_home(finding: Finding) -> Finding {
    let home = files::home().filter(|home| home.parent().is_some());
    let Some(home) = home.as_deref().and_then(Path::to_str) else { return finding };
    let short = |text: String| text.replace(&format!("{home}/"), "~/");
    Finding { detail: short(finding.detail), hint: finding.hint.map(short), ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_it_is_and_what_to_do() {
        let finding = Finding::fail("store", "The keyring is locked", "run `imgurctl unlock`");
        assert_eq!(line(&finding, false), "fail  store: The keyring is locked; run `imgurctl unlock`");
        assert_eq!(
            line(&Finding::ok("bus", "It\u{1b}[2J answers"), true),
            "\x1b[32mok  \x1b[0m  bus: It[2J answers"
        );
    }
}
