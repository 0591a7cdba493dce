//! Shows imgurd at work: `make demo` runs the real daemon and client against a fake Imgur and says what happens.
//!
//! It needs no program but itself, `imgurd` and `imgurctl`. The D-Bus part needs dbus-daemon and busctl, the Python part
//! Python 3.9; without them it says what it leaves out. It exits with 1 if a step fails. It writes to a temporary
//! directory only, and connects to this machine only.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a demo prints")]

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use imgurd_proto::INTERFACE;
use imgurd_proto::dbus::{BUS_NAME, PATH};
use imgurd_tests::columns::wrap;
use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Rotation};
use imgurd_tests::testbed::{Bus, Daemon, Output, Program, Testbed, account_arguments};
use imgurd_tests::{browser, http, repository};
use serde_json::Value;

/// How long the first token is valid: long enough to use it, short enough to wait for its refresh.
const SHORT: Duration = Duration::from_secs(10);

const ACCOUNT: &str = "me";

/// What the temporary directory is called in the output.
const DIRECTORY: &str = "$DEMO";

/// The columns of the output.
const WIDTH: usize = 100;

fn main() -> ExitCode {
    let begin = Instant::now();
    // The testbed panics if an event does not happen in time, and its thread prints why.
    match std::thread::spawn(Demo::run).join() {
        Ok(Ok(())) => {
            println!("\nThe demo took {} s; every step gave the expected result.", begin.elapsed().as_secs());
            println!("README.md, \"Start\", says how to use imgurd with your own account.");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

struct Demo {
    // Fields drop in order: the daemon ends before its bus and its directories are removed.
    daemon: Option<Daemon>,
    /// None without dbus-daemon or busctl.
    bus: Option<Bus>,
    bed: Testbed,
    fake: Fake,
    /// The number of the last heading.
    step: usize,
}

impl Demo {
    fn run() -> anyhow::Result<()> {
        let bed = Testbed::new();
        let has_bus = is_installed("dbus-daemon") && is_installed("busctl");
        let mut demo = Self {
            daemon: None,
            bus: has_bus.then(|| bed.bus()),
            bed,
            fake: Fake::start(Behaviour {
                lifetime: SHORT,
                rotation: Rotation::Plain,
                ..Behaviour::default()
            }),
            step: 0,
        };
        demo.bed.set_env("RUST_LOG", "info");
        let outcome = demo.steps();
        if let (Err(_), Some(daemon)) = (&outcome, &demo.daemon) {
            eprintln!("\nThe daemon's log:\n{}", demo.shorten(&daemon.log()));
        }
        outcome
    }

    fn steps(&mut self) -> anyhow::Result<()> {
        self.start()?;
        self.add_account()?;
        self.sign_in()?;
        let (first, expiry) = self.use_token()?;
        self.dbus(&first)?;
        self.python(&first)?;
        let second = self.refresh(&first, expiry)?;
        let third = self.reject(&second)?;
        self.crash(&third)?;
        self.end()
    }

    fn start(&mut self) -> anyhow::Result<()> {
        println!("This demo runs the real imgurd and imgurctl. A fake Imgur stands in for the real one.");
        println!("All files are in a temporary directory ({DIRECTORY}), which is deleted at the end.");
        self.heading("Start imgurd");
        say("On a desktop, imgurd saves your tokens in the keyring. This demo uses an encrypted file.");
        self.ctl(&["init", "--store", "file"])?;
        self.start_daemon();
        Ok(())
    }

    fn start_daemon(&mut self) {
        println!("\n   $ imgurd &");
        self.daemon = Some(self.bed.daemon());
    }

    fn add_account(&mut self) -> anyhow::Result<()> {
        self.heading("Add an account");
        say(
            "An account holds the client ID and the client secret that you got when you registered an application. Without these options, imgurctl uses Imgur's own addresses and asks for ID and secret.",
        );
        let arguments = account_arguments(&self.fake, ACCOUNT);
        self.ctl_with(&arguments, &self.fake.behaviour().client_secret).map(drop)
    }

    fn sign_in(&mut self) -> anyhow::Result<()> {
        self.heading("Sign in, once");
        say(
            "imgurctl login opens Imgur's consent page in your browser. Here a script opens it and clicks Allow.",
        );
        let mut login = self.ctl_start(&["login", "--no-browser"]);
        let url = login.line().context("the login prints no address")?;
        self.show(&url);
        let page = browser::allow(&url, "alice");
        ensure!(page.status == 200, "the callback page answers {}", page.status);
        let output = login.finish();
        self.show(output.stdout.trim_start_matches(&url));
        self.show(&output.stderr);
        // Only the first token is short-lived.
        self.fake.configure(|behaviour| behaviour.lifetime = Duration::from_hours(1));
        check(&output)
    }

    /// Returns the token, and when it expires.
    fn use_token(&mut self) -> anyhow::Result<(String, i64)> {
        self.heading("Use the token");
        self.ctl(&["status"])?;
        let output = self.ctl(&["token", "--json"])?;
        let answer: Value = serde_json::from_str(&output.stdout)?;
        let token = answer["access_token"].as_str().context("no access_token")?;
        let expiry = answer["expires_at"].as_i64().context("no expires_at")?;
        say("The API refuses a request without a token, and accepts one with it:");
        self.get_images(None, 401)?;
        self.get_images(Some(token), 200)?;
        Ok((token.to_owned(), expiry))
    }

    fn dbus(&mut self, token: &str) -> anyhow::Result<()> {
        self.heading("Get the token over D-Bus");
        if self.bus.is_none() {
            say("Left out: this step needs dbus-daemon and busctl, which are not installed.");
            return Ok(());
        }
        let call = ["--user", "--", "call", BUS_NAME, PATH, INTERFACE, "GetToken", "sii", "", "-1", "-1"];
        let mut busctl = self.bed.command("busctl");
        busctl.args(call);
        let line = call.join(" ").replace("sii ", "sii ''").replace(PATH, &format!("{PATH} \\\n       "));
        self.get_token(&mut busctl, &format!("busctl {line}"), token)
    }

    fn python(&mut self, token: &str) -> anyhow::Result<()> {
        self.heading("Get the token in Python");
        if !has_python() {
            say("Left out: this step needs Python 3.9 or later (python3).");
            return Ok(());
        }
        let package = repository().join("proto/python");
        let line = "import imgurd; print(imgurd.get_token().access_token)";
        let mut python = self.bed.command("python3");
        python.args(["-c", line]).env("PYTHONPATH", package).env("PYTHONDONTWRITEBYTECODE", "1");
        self.get_token(&mut python, &format!("python3 -c '{line}'"), token)
    }

    fn refresh(&mut self, old: &str, expiry: i64) -> anyhow::Result<String> {
        self.heading("imgurd refreshes the token before it expires");
        say(&format!("The first token is valid for {} s. No program asks for another one.", SHORT.as_secs()));
        let mut watch = self.ctl_start(&["status", "--watch", "--json"]);
        watch.line_where(|line| {
            let report = serde_json::from_str(line).unwrap_or_default();
            self.show_report(&report);
            report["state"] == "fresh" && report["expires_at"].as_i64() > Some(expiry)
        });
        drop(watch);
        let token = self.token()?;
        ensure!(token != old, "the token is still the old one");
        ensure!(self.refreshes() == 1, "{} refreshes instead of one", self.refreshes());
        say("The API refuses the old token now, and accepts the new one:");
        self.get_images(Some(old), 403)?;
        self.get_images(Some(&token), 200)?;
        Ok(token)
    }

    fn reject(&mut self, old: &str) -> anyhow::Result<String> {
        self.heading("Replace a token that stops working early");
        say("The fake Imgur revokes the token, as Imgur does when another program refreshes the same grant.");
        self.fake.kill_access_token();
        self.get_images(Some(old), 403)?;
        say("A program that gets this answer reports the token, and imgurd returns a new one:");
        let output = self.ctl_with(&["reject"], old)?;
        let token = output.line().to_owned();
        ensure!(token != old, "the rejected token came back");
        self.get_images(Some(&token), 200)?;
        Ok(token)
    }

    fn crash(&mut self, token: &str) -> anyhow::Result<()> {
        self.heading("Kill imgurd");
        let daemon = self.daemon.take().context("the daemon runs")?;
        println!("\n   $ kill -KILL {}", daemon.id());
        daemon.kill();
        let gone = self.ctl_any(&["token"], "");
        ensure!(gone.code == Some(8), "exit code {:?} with no daemon", gone.code);
        say(
            "The exit code is 8: imgurd does not answer. A new imgurd reads the grant from the encrypted file:",
        );
        self.start_daemon();
        ensure!(self.token()? == token, "the token is another one");
        self.get_images(Some(token), 200)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.heading("Stop imgurd");
        self.ctl(&["status"])?;
        let daemon = self.daemon.take().context("the daemon runs")?;
        println!("\n   $ kill {}", daemon.id());
        let status = daemon.terminate();
        ensure!(status.success(), "the daemon ended with {status}");
        self.bed.assert_no_secret_in_sight(&self.fake.secrets(), &[]);
        say(
            "The demo searched all logs, error messages and files in its directory. They contain no token, authorization code or client secret, except encrypted.",
        );
        Ok(())
    }

    /// The number of refreshes that the fake Imgur has received.
    fn refreshes(&self) -> usize {
        let requests = self.fake.requests(Endpoint::Token);
        requests.iter().filter(|request| request.grant_type() == Some("refresh_token")).count()
    }

    fn token(&self) -> anyhow::Result<String> {
        Ok(self.ctl(&["token"])?.line().to_owned())
    }

    fn get_images(&self, token: Option<&str>, expected: u16) -> anyhow::Result<()> {
        let url = format!("{}account/me/images", self.fake.api_url());
        let value = token.map(|token| format!("Bearer {token}"));
        let header = value.iter().map(|value| format!("-H 'Authorization: {}' ", self.shorten(value)));
        println!("\n   $ curl -i {}{url}", header.collect::<String>());
        let answer = http::get(&url, value.as_deref())?;
        let start: String = answer.text.chars().take(WIDTH - 10).collect();
        self.show(&format!("HTTP {}\n{start}…", answer.status));
        ensure!(answer.status == expected, "the API answers {} instead of {expected}", answer.status);
        Ok(())
    }

    fn ctl(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.ctl_with(arguments, "")
    }

    fn ctl_with(&self, arguments: &[impl AsRef<str>], input: &str) -> anyhow::Result<Output> {
        let output = self.ctl_any(arguments, input);
        check(&output)?;
        Ok(output)
    }

    fn ctl_any(&self, arguments: &[impl AsRef<str>], input: &str) -> Output {
        self.prompt(arguments, input);
        let output = self.bed.ctl_with(arguments, input);
        self.show(&output.stdout);
        self.show(&output.stderr);
        output
    }

    fn ctl_start(&self, arguments: &[&str]) -> Program {
        self.prompt(arguments, "");
        self.bed.ctl_spawn(arguments)
    }

    /// Runs another program, which has to print the token.
    fn get_token(&self, command: &mut Command, shown: &str, token: &str) -> anyhow::Result<()> {
        println!("\n   $ {shown}");
        let output = command.output()?;
        let answer = String::from_utf8_lossy(&output.stdout);
        self.show(&answer);
        self.show(&String::from_utf8_lossy(&output.stderr));
        ensure!(answer.contains(token), "that is not the token");
        Ok(())
    }

    /// Prints the command as you type it.
    fn prompt(&self, arguments: &[impl AsRef<str>], input: &str) {
        let mut line = match input {
            "" => "imgurctl".to_owned(),
            input => format!("printf %s {} | imgurctl", self.shorten(input)),
        };
        for argument in arguments {
            let argument = argument.as_ref();
            // A long command has each option on its own line.
            line += if argument.starts_with("--") && arguments.len() > 5 { " \\\n       " } else { " " };
            line += argument;
        }
        println!("\n   $ {line}");
    }

    fn heading(&mut self, text: &str) {
        self.step += 1;
        println!("\n{}. {text}", self.step);
    }

    fn show(&self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            for line in wrap(&self.shorten(line), WIDTH - 3) {
                println!("   {line}");
            }
        }
    }

    /// Prints only the times of a report: its settings would fill the screen.
    fn show_report(&self, report: &Value) {
        let (state, expires, next) = (&report["state"], &report["expires_at"], &report["next_refresh_at"]);
        self.show(&format!(r#"{{…,"state":{state},…,"expires_at":{expires},"next_refresh_at":{next},…}}"#));
    }

    /// Replaces the directory by its short name, and cuts tokens, which are 40 hexadecimal digits, after six.
    fn shorten(&self, text: &str) -> String {
        let text = text.replace(&*self.bed.root().to_string_lossy(), DIRECTORY);
        let (mut short, mut rest) = (String::new(), text.as_str());
        while !rest.is_empty() {
            let digits = rest.chars().take_while(char::is_ascii_hexdigit).count();
            let (run, after) = rest.split_at(digits);
            match run.get(..6) {
                Some(start) if digits == 40 => short.extend([start, "…"]),
                _ => short += run,
            }
            let others = after.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(after.len());
            short += &after[..others];
            rest = &after[others..];
        }
        short
    }
}

fn check(output: &Output) -> anyhow::Result<()> {
    if output.code != Some(0) {
        bail!("`imgurctl {}` ended with {:?}: {}", output.arguments.join(" "), output.code, output.stderr);
    }
    Ok(())
}

fn is_installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|directory| directory.join(program).is_file())
}

fn has_python() -> bool {
    let is_new = "import sys; sys.exit(sys.version_info < (3, 9))";
    Command::new("python3").args(["-c", is_new]).status().is_ok_and(|status| status.success())
}

fn say(text: &str) {
    println!();
    for line in wrap(text, WIDTH - 3) {
        println!("   {line}");
    }
}
