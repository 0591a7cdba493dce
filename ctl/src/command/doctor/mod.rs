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

use comfy_table::Color;
use imgurd_proto::{Finding, Health, Probe};

use super::login;
use crate::app::App;
use crate::failure::Failure;
use crate::files::{self, Files};
use crate::terminal::advice::{self, Entry};
use crate::terminal::output::Output;

pub(crate) fn doctor(app: &App) -> Result<(), Failure> {
    let findings = findings(app);
    if app.output.json {
        Output::print_json(&findings)?;
    } else {
        let entries: Vec<_> = findings.iter().map(entry).collect();
        Output::print(&advice::list(&entries, app.output.is_colored(), Output::width()))?;
    }
    conclude(app, &findings)
}

fn conclude(app: &App, findings: &[Finding]) -> Result<(), Failure> {
    let count = |result| findings.iter().filter(|finding| finding.result == result).count();
    let total = findings.len();
    match (count(Health::Fail), count(Health::Warn)) {
        (0, 0) => app.output.say(format!("All {total} checks passed.")),
        (0, warnings) => app.output.say(format!("No check failed, {warnings} of {total} gave a warning.")),
        (failed, _) => {
            let reason = format!("{failed} of {total} checks failed; follow the advice above");
            return Err(Failure::Other(reason));
        }
    }
    Ok(())
}

/// All findings. A check comes before those that depend on it.
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
        Ok(version) if version == OWN => Finding::ok(CHECK, format!("imgurd {version} is running")),
        Ok(version) => Finding::warn(
            CHECK,
            format!("imgurd {version} is running, but imgurctl is {OWN}"),
            "restart imgurd with `systemctl --user restart imgurd`; if that does not help, reinstall both",
        ),
        Err(failure) => Finding::error(CHECK, Health::Fail, failure),
    }
}

/// The daemon's own checks.
fn probe(app: &App) -> Vec<Finding> {
    match app.call_patiently(&Probe::default(), || {
        "Checking the servers of your accounts; wait a moment.".to_owned()
    }) {
        Ok(reply) => environment::compare(&reply).into_iter().chain(reply.findings).collect(),
        Err(error) => vec![Finding::error("probe", Health::Warn, Failure::from(error))],
    }
}

/// The result of `imgurd --check`; `None` if there is no such program.
fn configuration() -> Option<Finding> {
    const CHECK: &str = "configuration";
    let beside = env::current_exe().ok()?.with_file_name("imgurd");
    let program = if beside.is_file() { beside } else { "imgurd".into() };
    let checked = Command::new(program).arg("--check").output().ok()?;
    if checked.status.success() {
        return Some(Finding::ok(CHECK, "The configuration is valid"));
    }
    let said = String::from_utf8_lossy(&checked.stderr);
    let said = said.trim().trim_start_matches("Error: ").lines().next().unwrap_or_default();
    Some(Finding::error(CHECK, Health::Fail, said))
}

/// Whether `imgurctl login` can open a browser.
fn browser() -> Finding {
    const CHECK: &str = "login";
    if login::has_display() && webbrowser::Browser::is_available() {
        return Finding::ok(CHECK, "`imgurctl login` can open a browser");
    }
    Finding::warn(
        CHECK,
        "`imgurctl login` finds no display or no browser",
        "sign in with `imgurctl login --paste` and a browser on any machine",
    )
}

fn entry(finding: &Finding) -> Entry {
    let color = match finding.result {
        Health::Ok => Color::Green,
        Health::Warn => Color::Yellow,
        Health::Fail => Color::Red,
    };
    let labels = vec![(finding.result.to_string(), Some(color)), (finding.check.clone(), None)];
    let Finding { detail, hint, .. } = finding;
    match (finding.result, hint) {
        (Health::Warn | Health::Fail, None) => Entry::of_error(labels, detail),
        (_, advice) => Entry { labels, text: detail.clone(), advice: advice.clone() },
    }
}

/// Removes the home directory, whose name is usually the user's.
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
    fn separates_each_problem_from_its_advice() {
        let advice = |finding: &Finding| entry(finding).advice;
        let expected = Some("run `imgurctl unlock`".to_owned());
        assert_eq!(advice(&Finding::fail("store", "It is locked", "run `imgurctl unlock`")), expected);
        let error = "It is locked; run `imgurctl unlock`";
        assert_eq!(advice(&Finding::error("store", Health::Warn, error)), expected);
        assert_eq!(advice(&Finding::ok("store", "It is open; all is well")), None);
    }
}
