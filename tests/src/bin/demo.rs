//! A narrated run of the real daemon and client against a fake Imgur: `make demo`.
//!
//! It ends by itself, with exit code 1 if anything is not as it should be. Nothing outside a temporary directory is
//! touched, and nothing but this machine is talked to.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a demo shows things")]

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use imgurd_proto::INTERFACE;
use imgurd_proto::dbus::{BUS_NAME, PATH};
use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Rotation};
use imgurd_tests::stranger::python;
use imgurd_tests::testbed::{Bus, Daemon, Output, Program, Testbed, account_arguments};
use imgurd_tests::{browser, http};
use serde_json::Value;

/// How long the first token lives: long enough to be shown at work, short enough to wait for.
const SHORT: Duration = Duration::from_secs(10);

const ACCOUNT: &str = "mytoken";

fn main() -> ExitCode {
    let begin = Instant::now();
    // A panic is how the testbed says that something did not happen in time; its thread has printed it.
    match std::thread::spawn(Demo::run).join() {
        Ok(Ok(())) => {
            println!("\nDone in {} s. Everything was as it should be.", begin.elapsed().as_secs());
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            eprintln!("\nThis is not as it should be: {error:#}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

struct Demo {
    // In this order, so that the daemon ends before its bus and its directories go.
    daemon: Option<Daemon>,
    _bus: Bus,
    bed: Testbed,
    fake: Fake,
}

impl Demo {
    fn run() -> anyhow::Result<()> {
        let bed = Testbed::new();
        let mut demo = Self {
            daemon: None,
            _bus: bed.bus(),
            bed,
            fake: Fake::start(Behaviour {
                lifetime: SHORT,
                rotation: Rotation::Plain,
                ..Behaviour::default()
            }),
        };
        demo.bed.set_env("RUST_LOG", "info");
        let outcome = demo.steps();
        if let (Err(_), Some(daemon)) = (&outcome, &demo.daemon) {
            eprintln!("\nThe daemon's log:\n{}", shorten(&daemon.log()));
        }
        outcome
    }

    fn steps(&mut self) -> anyhow::Result<()> {
        self.start()?;
        self.add_account()?;
        self.consent()?;
        let (first, expiry) = self.use_token()?;
        self.other_programs(&first)?;
        let second = self.expiry(&first, expiry)?;
        let third = self.rejection(&second)?;
        self.crash(&third)?;
        self.end()
    }

    fn start(&mut self) -> anyhow::Result<()> {
        heading("A keeper of its own");
        say(
            "A fake Imgur stands in for the real one, and everything lives in a temporary directory, a session bus too.",
        );
        say(&format!("The fake listens at {}.", self.fake.origin()));
        self.ctl(&["init", "--store", "file"])?;
        self.start_daemon();
        Ok(())
    }

    fn start_daemon(&mut self) {
        println!("$ imgurd &");
        self.daemon = Some(self.bed.daemon());
        say("The daemon is ready.");
    }

    fn add_account(&self) -> anyhow::Result<()> {
        heading("An account");
        say(
            "An account is Postman's form: where to ask, as which application. The secret goes to standard input.",
        );
        let arguments = account_arguments(&self.fake, ACCOUNT);
        self.ctl_with(&arguments, &self.fake.behaviour().client_secret).map(drop)
    }

    fn consent(&self) -> anyhow::Result<()> {
        heading("Consent");
        let mut login = self.ctl_start(&["login", "--no-browser"]);
        let url = login.line().context("the login shows no address")?;
        show(&url);
        say("The person opens that address and presses Allow. Here, a scripted browser does.");
        let page = browser::allow(&url, "alice");
        ensure!(page.status == 200, "the callback page answers {}", page.status);
        let output = login.finish();
        show(output.stdout.trim_start_matches(&url));
        show(&output.stderr);
        // The first token is short-lived; those after it are to last for the rest of the demo.
        self.fake.configure(|behaviour| behaviour.lifetime = Duration::from_hours(1));
        check(&output)
    }

    /// Returns the token, and when it expires.
    fn use_token(&self) -> anyhow::Result<(String, i64)> {
        heading("A token");
        self.ctl(&["status"])?;
        let output = self.ctl(&["token", "--json"])?;
        let answer: Value = serde_json::from_str(&output.stdout)?;
        let token = answer["access_token"].as_str().context("no access_token")?;
        let expiry = answer["expires_at"].as_i64().context("no expires_at")?;
        say("Imgur tells a request without a token to authenticate, and answers one with it:");
        self.get_images(None, 401)?;
        self.get_images(Some(token), 200)?;
        Ok((token.to_owned(), expiry))
    }

    fn other_programs(&self, token: &str) -> anyhow::Result<()> {
        heading("The same token for other programs");
        say("Over D-Bus, by a tool that every system with systemd has:");
        let call = ["--user", "--", "call", BUS_NAME, PATH, INTERFACE, "GetToken", "sii", "", "-1", "-1"];
        let mut busctl = self.bed.command("busctl");
        busctl.args(call);
        get_token(&mut busctl, &format!("busctl {}", call.join(" ").replace("sii ", "sii ''")), token)?;
        say("Over the socket, by the Varlink client for Python that anybody can install:");
        let lines = format!(
            "import varlink\n\
             with varlink.Client.new_with_address('unix:{}') as client, client.open('{INTERFACE}') as keeper:\n    \
             print(keeper.GetToken()['token']['access_token'])",
            self.bed.socket().display()
        );
        let mut python = python(&self.bed);
        python.args(["-c", &lines]);
        get_token(&mut python, &format!("python3 -c \"{lines}\""), token)
    }

    fn expiry(&self, old: &str, expiry: i64) -> anyhow::Result<String> {
        heading("An expiry, with no one asking");
        say(&format!(
            "That token lives for {} seconds. Nobody asks for another; the daemon's own reports tell when there is one.",
            SHORT.as_secs()
        ));
        let mut watch = self.ctl_start(&["status", "--watch", "--json"]);
        watch.line_where(|line| {
            let report = serde_json::from_str(line).unwrap_or_default();
            show_report(&report);
            report["state"] == "fresh" && report["expires_at"].as_i64() > Some(expiry)
        });
        drop(watch);
        let token = self.token()?;
        ensure!(token != old, "the token is still the old one");
        ensure!(self.refreshes() == 1, "{} refreshes instead of one", self.refreshes());
        say("The old token is dead at the server, the new one is what callers get:");
        self.get_images(Some(old), 403)?;
        self.get_images(Some(&token), 200)?;
        Ok(token)
    }

    fn rejection(&self, old: &str) -> anyhow::Result<String> {
        heading("A token that dies before its time");
        say(
            "The server kills the token, as it does when somebody signs in elsewhere. The clock cannot tell.",
        );
        self.fake.kill_access_token();
        self.get_images(Some(old), 403)?;
        say("The program that noticed says so, and gets one that works:");
        let output = self.ctl_with(&["reject"], old)?;
        let token = output.line().to_owned();
        ensure!(token != old, "the rejected token came back");
        self.get_images(Some(&token), 200)?;
        Ok(token)
    }

    fn crash(&mut self, token: &str) -> anyhow::Result<()> {
        heading("A crash");
        let daemon = self.daemon.take().context("the daemon runs")?;
        println!("$ kill -KILL {}", daemon.id());
        daemon.kill();
        let gone = self.ctl_any(&["token"], "");
        ensure!(gone.code == Some(8), "exit code {:?} with no daemon", gone.code);
        say("Exit code 8: nobody answers. A new daemon finds the grant in its encrypted file:");
        self.start_daemon();
        ensure!(self.token()? == token, "the token is another one");
        self.get_images(Some(token), 200)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        heading("The end");
        self.ctl(&["status"])?;
        let daemon = self.daemon.take().context("the daemon runs")?;
        println!("$ kill {}", daemon.id());
        let status = daemon.terminate();
        ensure!(status.success(), "the daemon ended with {status}");
        self.bed.assert_no_secret_in_sight(&self.fake.secrets(), &[]);
        say("No token, code or client secret is in a log, in an error or in any file but the encrypted one.");
        Ok(())
    }

    /// Refreshes that the fake has seen.
    fn refreshes(&self) -> usize {
        let requests = self.fake.requests(Endpoint::Token);
        requests.iter().filter(|request| request.grant_type() == Some("refresh_token")).count()
    }

    fn token(&self) -> anyhow::Result<String> {
        Ok(self.ctl(&["token"])?.line().to_owned())
    }

    fn get_images(&self, token: Option<&str>, expected: u16) -> anyhow::Result<()> {
        let url = format!("{}account/me/images", self.fake.api_url());
        let header = token.map(|token| format!("Authorization: Bearer {token}"));
        match &header {
            Some(header) => println!("$ curl -i -H '{}' {url}", shorten(header)),
            None => println!("$ curl -i {url}"),
        }
        let value = header.as_deref().map(|header| header.trim_start_matches("Authorization: "));
        let answer = http::get(&url, value)?;
        let start: String = answer.text.chars().take(100).collect();
        show(&format!("HTTP {}\n{start}…", answer.status));
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
        println!("{}", prompt(arguments, input));
        let output = self.bed.ctl_with(arguments, input);
        show(&output.stdout);
        show(&output.stderr);
        output
    }

    fn ctl_start(&self, arguments: &[&str]) -> Program {
        println!("{}", prompt(arguments, ""));
        self.bed.ctl_spawn(arguments)
    }
}

/// Runs another program, which writes the token where it is meant to.
fn get_token(command: &mut Command, shown: &str, token: &str) -> anyhow::Result<()> {
    println!("$ {shown}");
    let output = command.output()?;
    let answer = String::from_utf8_lossy(&output.stdout);
    show(&answer);
    show(&String::from_utf8_lossy(&output.stderr));
    ensure!(answer.contains(token), "that is not the token");
    Ok(())
}

fn check(output: &Output) -> anyhow::Result<()> {
    if output.code != Some(0) {
        bail!("`imgurctl {}` ended with {:?}: {}", output.arguments.join(" "), output.code, output.stderr);
    }
    Ok(())
}

/// The command as a user types it.
fn prompt(arguments: &[impl AsRef<str>], input: &str) -> String {
    let mut line = match input {
        "" => "$ imgurctl".to_owned(),
        input => format!("$ echo {} | imgurctl", shorten(input)),
    };
    for argument in arguments {
        let argument = argument.as_ref();
        // A long command goes on below, an option a line.
        line += if argument.starts_with("--") && arguments.len() > 5 { " \\\n    " } else { " " };
        line += argument;
    }
    line
}

/// What of a report tells of time; the settings in it would fill the screen.
fn show_report(report: &Value) {
    let (state, expires, next) = (&report["state"], &report["expires_at"], &report["next_refresh_at"]);
    show(&format!(r#"{{…,"state":{state},…,"expires_at":{expires},"next_refresh_at":{next},…}}"#));
}

fn heading(text: &str) {
    println!("\n== {text} ==");
}

fn say(text: &str) {
    println!("# {text}");
}

fn show(text: &str) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        println!("  {}", shorten(line));
    }
}

/// Tokens, which are 40 hexadecimal digits, down to the first six.
fn shorten(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
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
