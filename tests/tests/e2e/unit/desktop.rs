//! The confined service with the desktop: keyring, notifications and browser.

use imgurd_tests::fake::{Behaviour, Rotation};

use super::home::{Home, UNITS, USER};

/// An unlocked keyring.
const KEYRING: &str =
    "echo secret | exec gnome-keyring-daemon --unlock --components=secrets --foreground >/dev/null 2>&1";

/// Presses the button until the page is opened: the daemon listens a moment after it has shown the notification.
const PRESS: &str = "until [ -e ~/opened ]; do
    busctl --user call org.freedesktop.Notifications /org/freedesktop/Notifications org.freedesktop.DBus.Mock \
        EmitSignal sssav org.freedesktop.Notifications ActionInvoked us 2 u 1 s sign-in >/dev/null || exit
done";

/// A browser that records its URL, the unit that it runs in, and whether it can write where the service cannot.
const BROWSER: &str = r#"#!/bin/sh
exec 2>&1 >~/opening
echo "$1"
grep -o 'imgurd-browser-[0-9a-f]*' /proc/self/cgroup | head -1
touch ~/unconfined && echo unconfined
mv ~/opening ~/opened
"#;

#[test]
fn the_confined_service_uses_keyring_notifications_and_browser() {
    let Some(home) = Home::new() else { return };
    // The keyring has to run before the first call; otherwise the bus starts the desktop's own.
    let _keyring = home.start(&["sh", "-c", KEYRING]);
    let parameters = r#"{"capabilities": "actions body persistence"}"#;
    let mock = ["/usr/bin/python3", "-m", "dbusmock", "--session", "--template", "notification_daemon"];
    let mut notifications = home.start(&[&mock[..], &["--parameters", parameters]].concat());
    for name in ["org.freedesktop.secrets", "org.freedesktop.Notifications"] {
        home.run(&["gdbus", "wait", "--session", name]).success();
    }
    home.make("install");
    home.machine.write(USER, "/home/alice/browser", BROWSER);
    home.sh("chmod +x ~/browser && systemctl --user set-environment BROWSER=$HOME/browser").success();
    let fake = home.account(Behaviour::default());

    home.ctl(&["token"]).exits(4);
    let shown = notifications.line_where(|line| line.contains(" Notify "));
    assert!(shown.contains("imgurd: sign in to 127.0.0.1"), "{shown}");
    home.sh(PRESS).success();
    let opened = home.sh("cat ~/opened").success().stdout;
    let lines: Vec<_> = opened.lines().collect();
    assert!(lines[0].starts_with(&fake.auth_url()), "{opened}");
    assert!(lines[1].starts_with("imgurd-browser-"), "the browser runs in its own unit: {opened}");
    assert_eq!(lines[2], "unconfined");
    home.allow(lines[0]);
    notifications.line_where(|line| line.contains("signed in as alice"));

    let token = home.token();
    assert!(fake.is_live(&token));
    let kept = home.run(&["secret-tool", "lookup", "service", "imgurd", "username", "me"]).success().stdout;
    assert!(kept.contains(&token), "the grant is in the keyring");
    home.systemctl(&["restart", UNITS[0]]).success();
    assert_eq!(home.token(), token);
}

#[test]
fn the_confined_service_keeps_a_grant_in_the_keyring_on_debian_13() {
    let Some(home) = Home::installed_on_debian_13() else { return };
    // A login without a password starts these.
    home.systemctl(&["mask", "--now", "gnome-keyring-daemon.socket", "gnome-keyring-daemon.service"])
        .success();
    let _keyring = home.start(&["sh", "-c", KEYRING]);
    // An earlier call to the keyring would let the bus start another one.
    home.sh("until busctl --user status org.freedesktop.secrets; do :; done >/dev/null 2>&1").success();
    let fake = home.account(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() });
    home.sign_in();
    let token = home.token();
    let item = ["secret-tool", "lookup", "service", "imgurd", "username", "me"];
    assert!(home.run(&item).success().stdout.contains(&token), "the grant is in the keyring");
    for end in ["restart", "kill"] {
        home.systemctl(&[end, UNITS[0]]).success();
        home.systemctl(&["start", UNITS[0]]).success();
        home.ctl(&["refresh"]).success();
        assert!(fake.is_live(&home.token()));
        assert!(home.run(&item).success().stdout.contains(&home.token()));
    }
    let doctor = home.ctl(&["doctor"]).stdout;
    assert!(doctor.contains("keyring"), "{doctor}");
}
