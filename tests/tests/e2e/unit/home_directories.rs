//! Home directories with unusual names, and no home directory.

use std::fs;

use super::home::{Home, UNITS, USER};
use super::service_lifecycle::call_on_the_bus;

fn writes_where_environment_d_says(home: &Home) {
    let text = "XDG_STATE_HOME=/home/alice/my state\nXDG_CONFIG_HOME=/home/alice/my%config\n";
    home.machine.write(USER, "/home/alice/.config/environment.d/x.conf", text);
    home.systemctl(&["daemon-reload"]).success();
    home.systemctl(&["restart", UNITS[0]]).success();
    home.ctl(&["account", "add", "first", "--client-id", "x", "--flow", "pin"]).success();
    let config = fs::read_to_string(home.machine.file("/home/alice/my%config/imgurd/config.toml")).unwrap();
    assert!(config.contains("[accounts.first]"));
    assert!(home.machine.file("/home/alice/my state/imgurd/lock").exists());
}

#[test]
fn the_service_writes_where_environment_d_says() {
    let Some(home) = Home::installed() else { return };
    writes_where_environment_d_says(&home);
}

#[test]
fn the_service_writes_where_environment_d_says_on_debian_13() {
    let Some(home) = Home::installed_on_debian_13() else { return };
    writes_where_environment_d_says(&home);
}

#[test]
fn a_home_directory_with_special_characters_works() {
    let Some(mut home) = Home::new() else { return };
    for (user, directory) in [("bob", "/home/a b"), ("carol", "/home/o'neil \"50%h\" & $USER|\\x")] {
        home.machine.add_user_at(user, directory);
        home.user = user;
        home.make("install");
        assert_eq!(home.each_unit("is-active"), ["active"; 3], "{directory}");
        home.ctl(&["status"]).success();
        home.systemctl(&["stop", UNITS[0]]).success();
        call_on_the_bus(&home, &["ListAccounts", "s", ""]).success();
        home.make("uninstall");
        let left = home.sh("find ~ -name '*imgurctl*' -o -name imgurd.service").success().stdout;
        assert_eq!(left, "", "{directory}");
    }
}

#[test]
fn without_home_the_daemon_asks_the_user_database_and_the_client_fails() {
    let Some(home) = Home::new() else { return };
    let make = "env --unset=HOME make --silent -C /opt/imgurd-sources CARGO=true STATIC= BUILT=/opt/imgurd";
    home.sh(&format!("{make} install")).success();
    assert_eq!(home.each_unit("is-active"), ["active"; 3]);
    assert!(home.machine.file("/home/alice/.local/bin/imgurd").exists());
    home.run(&["env", "--unset=HOME", "imgurd", "--check"]).success();
    home.sh(&format!("{make} uninstall")).success();
    assert!(!home.machine.file("/home/alice/.local/bin/imgurd").exists());
    // An empty HOME counts as not set, and a relative one is ignored.
    home.run(&["env", "HOME=", "imgurd", "--check"]).success();
    // The client may be linked statically, and then cannot read the user database.
    for odd in ["HOME=alice", "--unset=HOME"] {
        let refused = home.run(&["env", odd, "imgurctl", "init"]).exits(1);
        assert!(refused.complaint().contains("set HOME"), "{}", refused.stderr);
    }
}
