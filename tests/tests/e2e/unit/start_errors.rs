//! What callers learn if the service cannot start.

use std::time::{Duration, Instant};

use super::home::{Home, UNITS, USER};
use super::service_lifecycle::call_on_the_bus;

const CONFIG: &str = "/home/alice/.config/imgurd/config.toml";

/// The mistake is in the second line.
const BAD: &str = "store = \"memory\"\nstoer = 1\n";

/// Shorter than systemd's pause before it restarts a failed service, and than the timeout of any client.
const AT_ONCE: Duration = Duration::from_secs(3);

const LIST: [&str; 3] = ["ListAccounts", "s", ""];

fn refuses_until_corrected(home: &Home) {
    home.machine.write(USER, CONFIG, BAD);
    let remote = home.runtime("imgurd-remote/socket");
    // The error is the same after a restart and after a start by a call on any wire.
    let starts = [
        &|| drop(home.systemctl(&["restart", UNITS[0]]).success()) as (),
        &|| drop(home.ctl(&["token"]).exits(9)),
        &|| drop(home.ctl(&["--socket", &remote, "token"]).exits(6)),
        &|| assert_eq!(call_on_the_bus(home, &LIST).code, Some(1)),
    ] as [&dyn Fn(); 4];
    for start in starts {
        home.systemctl(&["stop", UNITS[0]]).success();
        let began = Instant::now();
        start();
        let refused = home.ctl(&["token"]).exits(9);
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        assert!(
            refused.complaint().contains(CONFIG) && refused.stderr.contains("line 2"),
            "{}",
            refused.stderr
        );
        let refused = call_on_the_bus(home, &LIST);
        assert!(refused.stderr.contains(CONFIG) && refused.stderr.contains("line 2"), "{}", refused.stderr);
        assert_eq!(home.property("NRestarts"), "0");
        assert!(home.property("StatusText").contains("line 2"));
    }
    let mut log =
        home.start(&["journalctl", "--user", "--unit=imgurd", "--output=cat", "--follow", "--lines=0"]);
    home.machine.write(USER, CONFIG, "store = \"memory\"\n");
    log.line_where(|line| line.contains("ready"));
    home.ctl(&["status"]).success();
    call_on_the_bus(home, &LIST).success();
    home.machine.run("root", &["journalctl", "--sync"]).success();
    let errors = home.run(&["journalctl", "--user", "--unit=imgurd", "--priority=err", "--output=cat"]);
    let errors = errors.success().stdout;
    assert!(errors.contains("line 2") && !errors.contains("ready"), "{errors}");
}

#[test]
fn callers_learn_of_a_bad_configuration_until_it_is_corrected() {
    let Some(home) = Home::installed() else { return };
    refuses_until_corrected(&home);
}

#[test]
fn callers_learn_of_a_bad_configuration_on_debian_13() {
    let Some(home) = Home::installed_on_debian_13() else { return };
    refuses_until_corrected(&home);
}

#[test]
fn sandboxed_and_remote_callers_do_not_learn_the_configuration_error() {
    let Some(home) = Home::installed() else { return };
    home.machine.write(USER, CONFIG, BAD);
    home.systemctl(&["restart", UNITS[0]]).success();
    let remote = home.runtime("imgurd-remote/socket");
    // The service manager may still have a scope whose program has ended.
    let sandboxed = |number: u8, call: &[&str]| {
        let unit = format!("--unit=app-flatpak-org.example.App-{number}.scope");
        home.run(&[&["systemd-run", "--user", "--quiet", "--scope", &unit], call].concat())
    };
    let on_the_bus =
        "busctl --user call org.imgurd.Keeper1 /org/imgurd/Keeper1 org.imgurd.Keeper1 ListAccounts s ''";
    for refused in [
        home.ctl(&["--socket", &remote, "token"]).exits(6),
        sandboxed(1, &["imgurctl", "token"]).exits(6),
        sandboxed(2, &["sh", "-c", on_the_bus]).exits(1),
    ] {
        assert!(refused.stderr.contains("imgurd cannot start"), "{}", refused.stderr);
        for detail in ["line 2", "stoer", CONFIG] {
            assert!(!refused.stderr.contains(detail), "{}", refused.stderr);
        }
    }
    // Other users get no detail either.
    let socket = home.runtime("imgurd/socket");
    let refused = home.machine.run("root", &["imgurctl", "--socket", &socket, "token"]).exits(5);
    assert!(!refused.stderr.contains("line 2"), "{}", refused.stderr);
}
