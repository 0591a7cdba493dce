//! The units and the cron job of systemd/README.md, on a machine with a service manager and imgurd.

use imgurd_tests::fake::Behaviour;

use super::home::Home;

/// The units below *Units that use a token*, with the path in the first line of each.
fn units() -> Vec<(&'static str, &'static str)> {
    let document = include_str!("../../../../systemd/README.md");
    let (_, units) = document.split_once("\n## Units that use a token\n").unwrap();
    let (units, _) = units.split_once("\n## ").unwrap();
    let blocks = units.split("```ini\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    blocks.map(|unit| (unit.lines().next().unwrap().strip_prefix("# ~/").unwrap(), unit)).collect()
}

/// Writes a file as the user.
fn write(home: &Home, path: &str, text: &str) {
    let script = r#"mkdir -p "$(dirname "$0")" && cat >"$0" && chmod 700 "$0""#;
    home.machine.run_with(home.user, &["sh", "-c", script, path], text).success();
}

fn cat(home: &Home, path: &str) -> String {
    home.run(&["cat", path]).success().stdout
}

#[test]
fn the_units_of_the_readme_get_the_token() {
    let Some(home) = Home::installed() else { return };
    home.ctl(&["init", "--store", "file"]).success();
    home.systemctl(&["restart", "imgurd.service"]).success();
    let _fake = home.account(Behaviour::default());
    home.sign_in();
    let token = home.token();

    let units = units();
    assert_eq!(units.len(), 4);
    for (path, unit) in &units {
        write(&home, path, unit);
    }
    write(&home, "bin/upload", "#!/bin/sh\nprintf %s \"$IMGUR_ACCESS_TOKEN\" >uploaded\n");
    write(&home, "bin/report", "#!/bin/sh\ncat \"$CREDENTIALS_DIRECTORY/imgur-token\" >reported\n");
    write(&home, "bin/bot", "#!/bin/sh\necho \"$IMGUR_ACCESS_TOKEN\" >started\nexec tail -f /dev/null\n");
    home.systemctl(&["daemon-reload"]).success();
    for (job, file, line_end) in [("upload.service", "uploaded", ""), ("report.service", "reported", "\n")] {
        home.systemctl(&["start", job]).success();
        assert_eq!(cat(&home, file), format!("{token}{line_end}"), "{job}");
    }
    for file in ["/run/user/$(id -u)/imgur-token", "/run/user/$(id -u)/upload/env"] {
        // A file that stays must be private.
        let mode = home.sh(&format!("! [ -e {file} ] || stat -c %a {file}")).success().stdout;
        assert!(["", "600\n"].contains(&mode.as_str()), "{file}: {mode}");
    }

    // A FIFO, so that the service waits for a reader each time it starts.
    home.run(&["mkfifo", "started"]).success();
    home.systemctl(&["start", "bot.service"]).success();
    assert_eq!(cat(&home, "started").trim(), token);
    home.ctl(&["refresh"]).success();
    let new = home.token();
    assert_eq!(cat(&home, "started").trim(), new);
    home.systemctl(&["stop", "bot.service"]).success();

    // cron starts a job with almost no environment.
    let job = "env -i HOME=\"$HOME\" PATH=\"$PATH\" imgurctl exec -- printenv IMGUR_ACCESS_TOKEN";
    assert_eq!(home.sh(job).success().line(), new);
}
