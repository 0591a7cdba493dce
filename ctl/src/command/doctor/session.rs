//! The user's session: the units of imgurd, whether they keep running after logout, and the bus.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::process::Command;

use imgurd_proto::text::cause;
use imgurd_proto::{BusAddress, Finding, runtime_directory, session_bus};
use rustix::process::getuid;

const UNITS: [&str; 2] = ["imgurd.service", "imgurd.socket"];

/// States that count as enabled (systemctl(1), `is-enabled`).
const ENABLED: [&str; 5] = ["enabled", "enabled-runtime", "static", "alias", "generated"];

/// The `NAME=value` lines of systemctl and loginctl.
type Properties = HashMap<String, String>;

pub(super) fn check(answers: bool) -> Vec<Finding> {
    let units = match units() {
        Ok(units) => units,
        Err(reason) => {
            let detail = format!(
                "Your systemd user manager does not answer ({reason}), so imgurd does not start automatically"
            );
            let hint = if runtime_directory().exists() {
                "let your session start `imgurd`"
            } else {
                "run `loginctl enable-linger`, so that your services run while you are not logged in"
            };
            return vec![Finding::warn("service", detail, hint)];
        }
    };
    let mut findings: Vec<_> =
        UNITS.iter().zip(&units).map(|(name, unit)| of_unit(name, unit, answers)).collect();
    findings.extend(linger());
    findings
}

/// Runs systemctl once; it prints a block for each unit, in this order.
fn units() -> Result<Vec<Properties>, String> {
    let asked = ["--user", "show", "--property=Id,LoadState,ActiveState,UnitFileState"];
    let text = run("systemctl", &[&asked[..], &UNITS].concat())?;
    Ok(text.split("\n\n").map(properties).collect())
}

fn of_unit(name: &str, unit: &Properties, answers: bool) -> Finding {
    let check = name.trim_start_matches("imgurd.");
    let is = |property: &str| unit.get(property).map(String::as_str).unwrap_or_default();
    if is("LoadState") == "not-found" {
        let detail = format!("{name} is not installed, so imgurd does not start automatically");
        return Finding::warn(check, detail, "run `make install`, or install the package");
    }
    match is("ActiveState") {
        "active" | "activating" | "reloading" => {}
        "failed" => {
            let hint = "read `journalctl --user -u imgurd`, then run `systemctl --user restart imgurd.socket imgurd`";
            return Finding::fail(check, format!("{name} has failed"), hint);
        }
        state if answers && check == "service" => {
            let detail = format!("imgurd runs, but not as {name}, which is {state}");
            return Finding::warn(check, detail, "end it, and run `systemctl --user enable --now imgurd`");
        }
        state => {
            return Finding::fail(
                check,
                format!("{name} is {state}"),
                format!("run `systemctl --user enable --now {name}`"),
            );
        }
    }
    if ENABLED.contains(&is("UnitFileState")) {
        return Finding::ok(check, format!("{name} is active and enabled"));
    }
    let detail = format!("{name} is not enabled, so it does not start with your next session");
    Finding::fail(check, detail, format!("run `systemctl --user enable {name}`"))
}

/// Whether imgurd keeps running after logout. Without a graphical session or lingering, the service manager ends when
/// the user logs out. `None` if logind does not know the user.
fn linger() -> Option<Finding> {
    const CHECK: &str = "linger";
    let uid = getuid().as_raw().to_string();
    let user = run("loginctl", &["show-user", "--property=Linger", "--property=Display", &uid]).ok()?;
    let user = properties(&user);
    if user.get("Linger").is_some_and(|linger| linger == "yes") {
        return Some(Finding::ok(CHECK, "Your services keep running when you log out"));
    }
    let session = user.get("Display").filter(|session| !session.is_empty());
    if session.is_some_and(|session| is_graphical(session)) {
        return Some(Finding::ok(CHECK, "Your services run as long as your graphical session"));
    }
    let detail = "imgurd stops when you log out, and then refreshes no tokens";
    Some(Finding::warn(CHECK, detail, "run `loginctl enable-linger`"))
}

/// Whether a session is graphical. `Display` may name a session on a terminal (sd_session_get_type(3)).
fn is_graphical(session: &str) -> bool {
    let session = run("loginctl", &["show-session", "--property=Type", session]);
    session.is_ok_and(|output| ["x11", "wayland", "mir"].contains(&properties(&output)["Type"].as_str()))
}

/// The session bus, if there is no daemon to ask. `None` if it has no path to connect to.
pub(super) fn bus() -> Option<Finding> {
    const CHECK: &str = "bus";
    const HINT: &str = "start imgurd in your session, and check DBUS_SESSION_BUS_ADDRESS";
    let addresses = match session_bus() {
        Ok(addresses) => addresses,
        Err(why) => return Some(Finding::warn(CHECK, format!("There is no session bus: {why}"), HINT)),
    };
    let paths = addresses.into_iter().filter_map(|address| match address {
        BusAddress::Path(path) => Some(path),
        BusAddress::Abstract(_) | BusAddress::Other(_) => None,
    });
    let tried: Vec<_> = paths.map(|path| (UnixStream::connect(&path), path)).collect();
    if let Some((_, path)) = tried.iter().find(|(stream, _)| stream.is_ok()) {
        return Some(Finding::ok(CHECK, format!("The session bus is at {}", path.display())));
    }
    let (Err(error), path) = tried.first()? else { return None };
    let path = path.display();
    let detail = format!(
        "There is no session bus at {path} ({error}), so imgurd has no keyring and no notifications",
        error = cause(&error)
    );
    Some(Finding::warn(CHECK, detail, HINT))
}

fn properties(text: &str) -> Properties {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// The output of a program, or the first line of its error.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}", error = cause(&error)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(error.lines().next().unwrap_or("no output").to_owned())
}

#[cfg(test)]
mod tests {
    use imgurd_proto::Health;

    use super::*;

    fn unit(load: &str, active: &str, file: &str) -> Properties {
        properties(&format!(
            "Id=imgurd.service\nLoadState={load}\nActiveState={active}\nUnitFileState={file}\n"
        ))
    }

    #[test]
    fn rates_each_state_of_the_service_unit() {
        for (unit, answers, result, word) in [
            (unit("loaded", "active", "enabled"), true, Health::Ok, "active and enabled"),
            (unit("loaded", "active", "disabled"), true, Health::Fail, "not enabled"),
            (unit("loaded", "inactive", "enabled"), false, Health::Fail, "is inactive"),
            (unit("loaded", "inactive", "enabled"), true, Health::Warn, "not as imgurd.service"),
            (unit("loaded", "failed", "enabled"), true, Health::Fail, "has failed"),
            (unit("not-found", "inactive", ""), true, Health::Warn, "not installed"),
        ] {
            let found = of_unit("imgurd.service", &unit, answers);
            assert_eq!(found.result, result, "{found:?}");
            assert!(
                found.detail.contains(word) && (found.hint.is_none() == (result == Health::Ok)),
                "{found:?}"
            );
        }
    }
}
