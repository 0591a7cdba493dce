//! The manual pages and the examples of `imgurctl --help`: each example runs, and each command in the text exists.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use imgurd_tests::fake::Endpoint;
use imgurd_tests::testbed::{Testbed, at_terminal, binary};
use serde_json::{Value, json};

use crate::environment::{Developer, Environment};
use crate::roff::{Example, commands, examples, pages};

/// Who tries an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A user at a shell with nothing set up.
    Newcomer,
    /// A user at a shell who is signed in.
    User,
    /// A user with a service manager: see `install.rs`.
    Installer,
    /// `imgurd --check`.
    Daemon,
    /// A program that is connected to the socket.
    Program,
}

impl Reader {
    /// Fails for an example that no reader tries. The examples of a new command belong to `User`.
    fn of(example: &Example) -> Self {
        match (example.page.as_str(), example.section.as_str()) {
            ("imgurctl", "EXAMPLES") if example.text.starts_with("imgurctl init\n") => Self::Newcomer,
            ("imgurctl-init" | "imgurctl-account-add", "EXAMPLES") => Self::Newcomer,
            ("imgurd-config", "EXAMPLES") => Self::Daemon,
            ("imgurd", "DESCRIPTION") => Self::Installer,
            ("org.imgurd.Keeper1", "ON THE SOCKET") => Self::Program,
            ("imgurctl" | "imgurd" | "org.imgurd.Keeper1", "EXAMPLES") => Self::User,
            (page, "EXAMPLES") if page.starts_with("imgurctl-") => Self::User,
            (page, section) => panic!("nobody tries what {page} has in {section}"),
        }
    }
}

/// The examples that this reader tries.
fn examples_for(reader: Reader) -> Vec<Example> {
    let all = pages().into_iter().flat_map(|(page, roff)| examples(&page, &roff));
    let found: Vec<_> = all.filter(|example| Reader::of(example) == reader).collect();
    assert!(!found.is_empty(), "there are no examples for {reader:?}");
    found
}

/// The examples that use the service manager.
pub(crate) fn service_examples() -> Vec<String> {
    examples_for(Reader::Installer).into_iter().map(|example| example.text).collect()
}

/// Returns the parts to run: each line on the page of a command, and the whole example on a page written by hand.
fn parts(example: &Example) -> Vec<&str> {
    let text = example.text.as_str();
    if example.page.starts_with("imgurctl-") { text.lines().collect() } else { vec![text] }
}

/// The passphrase that locks exports in these tests.
const PASSPHRASE: &str = "correct horse battery";

/// Examples that run until the user ends them: a part of the text, and the output to wait for before ending them.
const ENDLESS: [(&str, &str); 4] = [
    ("status --watch", "fresh"),
    ("journal --follow", "granted"),
    ("--follow --output", "Wrote the token of me"),
    ("imgurd --no-dbus", "ready"),
];

/// A user at a terminal of this environment who runs an example.
struct Typist<'a> {
    environment: &'a Environment,
    text: &'a str,
    /// Whether the user has already opened a page.
    has_looked: bool,
}

impl Typist<'_> {
    /// What the user types after this output.
    fn answer(&mut self, said: &str) -> Option<String> {
        if said.contains("assphrase ") && said.ends_with("shown): ")
            || said.ends_with("Repeat the passphrase: ")
        {
            return Some(format!("{PASSPHRASE}\r"));
        }
        if ENDLESS.iter().any(|(part, sign)| self.text.contains(part) && said.contains(sign)) {
            // Ctrl-C.
            return Some("\x03".to_owned());
        }
        self.open(said).or_else(|| Developer::of(&self.environment.fake).answer(said))
    }

    /// Opens the sign-in page if the example leaves that to the user, and returns the final URL if the example asks
    /// for it.
    fn open(&mut self, said: &str) -> Option<String> {
        let pastes = ["--paste", "--qr"].iter().any(|option| self.text.contains(option));
        let is_asked = if pastes { said.ends_with(": ") } else { self.text.contains("--no-browser") };
        let url =
            said.lines().find(|line| line.starts_with("https://") && said.contains(&format!("{line}\n")))?;
        if !is_asked || std::mem::replace(&mut self.has_looked, true) {
            return None;
        }
        let mut browser = self.environment.command(&self.environment.bed.home(), "browser");
        browser.arg(url);
        let final_url = self.environment.bed.start(browser).finish().stdout;
        pastes.then(|| format!("{}\r", final_url.trim()))
    }

    /// Whether the example ended as it should.
    fn is_content(&self, status: ExitStatus) -> bool {
        let is_endless = ENDLESS.iter().any(|(part, _)| self.text.contains(part));
        let interrupted = status.signal() == Some(2) || status.code() == Some(130);
        status.success() || (is_endless && interrupted)
    }
}

/// Runs a text at a terminal in bash.
fn run(environment: &Environment, page: &str, text: &str) {
    let mut command = environment.command(&environment.bed.home(), "setsid");
    command
        .args(["--ctty", "bash", "-o", "pipefail", "-ec", text])
        .env("MANPAGER", "cat")
        .env("RUST_LOG", "info");
    let rejects = text.contains("reject");
    if rejects {
        command.env("token", environment.bed.ctl(&["token"]).success().line());
        environment.fake.kill_access_token();
    }
    let (requests, refreshes) = (api(environment).len(), environment.refreshes());
    let mut typist = Typist { environment, text, has_looked: false };
    let (status, seen) = at_terminal(command, |said| typist.answer(said));
    assert!(typist.is_content(status), "{page}: {text}: {status}\n{seen}");
    // curl succeeds with any status.
    let answers = api(environment);
    assert!(answers.iter().all(|status| *status == Some(200)), "{page}: {text}: {answers:?}\n{seen}");
    let asks = text.contains("curl ") || text.contains("upload.py");
    assert!(!asks || answers.len() > requests, "{page}: {text} sent no request\n{seen}");
    if rejects {
        assert_eq!(environment.refreshes(), refreshes + 1, "a rejected token causes one refresh\n{seen}");
    }
}

/// The statuses of all requests to the API.
fn api(environment: &Environment) -> Vec<Option<u16>> {
    let endpoints =
        [Endpoint::Account, Endpoint::Images, Endpoint::Credits, Endpoint::Gallery, Endpoint::Upload];
    endpoints.iter().flat_map(|it| environment.fake.requests(*it)).map(|request| request.status).collect()
}

/// Prepares the files that an example presupposes.
fn lay_out(environment: &Environment, text: &str) {
    let (home, bed) = (environment.bed.home(), &environment.bed);
    let write = |name: &str, text: &str| {
        fs::write(home.join(name), text).unwrap();
        fs::set_permissions(home.join(name), Permissions::from_mode(0o700)).unwrap();
    };
    let secret = environment.fake.behaviour().client_secret;
    environment.add_program("pass", &format!("[ $1 = moving ] && echo '{PASSPHRASE}' || echo '{secret}'"));
    fs::create_dir_all(home.join(".cache")).unwrap();
    write("cat.png", "a cat");
    write(
        "upload.py",
        "#!/bin/sh\nexec curl -sSf -H \"Authorization: Bearer $IMGUR_ACCESS_TOKEN\" -F \"image=@$1\" \
         https://api.imgur.com/3/image\n",
    );
    write("bot.py", "#!/bin/sh\ntest -n \"$IMGUR_ACCESS_TOKEN\"\n");
    write("uploader.json.in", r#"{"token": "{{access_token}}", "until": {{expires_at}}}"#);
    if text.contains("token.json") {
        let (refresh_token, access_token) = environment.fake.issue_grant("alice");
        write(
            "token.json",
            &json!({ "access_token": access_token, "refresh_token": refresh_token }).to_string(),
        );
    }
    if text.contains("ksnip.conf") || text.contains("credentials.json") {
        let (refresh_token, _) = environment.fake.issue_grant("alice");
        fs::create_dir_all(home.join(".config/ksnip")).unwrap();
        write(".config/ksnip/ksnip.conf", &format!("[Imgur]\nRefreshToken=@ByteArray({refresh_token})\n"));
        let behaviour = environment.fake.behaviour();
        let (client_id, client_secret) = (behaviour.client_id, behaviour.client_secret);
        let credentials =
            json!({ "client_id": client_id, "client_secret": client_secret, "refresh_token": refresh_token });
        write("credentials.json", &credentials.to_string());
    }
    if text.contains("draft.toml") {
        fs::copy(bed.config_file(), home.join("draft.toml")).unwrap();
    }
    if text.contains("< me.export") {
        write("passphrase", PASSPHRASE);
        let file = home.join("passphrase");
        let export = bed.ctl(&["export", "me", "--passphrase-file", file.to_str().unwrap()]).success();
        write("me.export", &export.stdout);
        bed.ctl(&["account", "remove", "me"]).success();
    }
    if text.contains("permit revoke") {
        bed.ctl(&["permit", "allow", "org.example.App", "me"]).success();
    }
    if text.contains("journal") {
        bed.ctl(&["token"]).success();
    }
}

/// Runs each part of these examples in an environment of its own.
fn try_all(examples: &[Example], environment: fn() -> Environment) {
    for example in examples {
        for part in parts(example) {
            let environment = environment();
            lay_out(&environment, part);
            run(&environment, &example.page, part);
        }
    }
}

/// The examples for a signed-in user on these pages.
fn users_examples(on: impl Fn(&str) -> bool) -> Vec<Example> {
    let found: Vec<_> =
        examples_for(Reader::User).into_iter().filter(|example| on(example.page.as_str())).collect();
    assert!(!found.is_empty());
    found
}

/// Whether this is the page of a command about tokens.
fn is_tool(page: &str) -> bool {
    ["token", "reject", "exec", "curl", "export", "import"]
        .iter()
        .any(|name| page == format!("imgurctl-{name}"))
}

#[test]
fn examples_for_newcomers_work() {
    try_all(&examples_for(Reader::Newcomer), Environment::newcomer);
}

#[test]
fn examples_of_token_commands_work() {
    try_all(&users_examples(is_tool), Environment::signed_in);
}

#[test]
fn examples_of_other_commands_work() {
    try_all(&users_examples(|page| page.starts_with("imgurctl-") && !is_tool(page)), Environment::signed_in);
}

#[test]
fn examples_of_handwritten_pages_work() {
    try_all(&users_examples(|page| !page.starts_with("imgurctl-")), Environment::signed_in);
}

#[test]
fn examples_of_the_main_help_work() {
    let environment = Environment::newcomer();
    let help = environment.bed.ctl(&["--help"]).success().stdout;
    let (_, rest) = help.split_once("Examples:\n").unwrap();
    let lines: Vec<_> = rest.lines().take_while(|line| !line.is_empty()).collect();
    assert!(lines.len() > 3, "{help}");
    for line in lines {
        lay_out(&environment, line);
        run(&environment, "imgurctl --help", line.trim());
    }
}

#[test]
fn the_daemon_accepts_the_example_configuration() {
    for example in examples_for(Reader::Daemon) {
        let bed = Testbed::file();
        bed.configure(&example.text);
        bed.spawn_daemon(&["--check"]).log_when_ended(0);
    }
}

#[test]
fn the_socket_answers_like_the_manual_page() {
    let environment = Environment::signed_in();
    let mut exchanges = 0;
    for example in examples_for(Reader::Program) {
        for exchange in example.text.split("\n\n") {
            let lines: Vec<Value> =
                exchange.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let [call, expected] = lines.as_slice() else {
                panic!("expected a call and an answer: {exchange}")
            };
            let mut wire = environment.bed.wire();
            wire.send(call);
            let answer = wire.answer();
            assert!(holds(&answer, expected), "{exchange}\n{answer}");
            exchanges += 1;
        }
    }
    assert!(exchanges > 1);
}

/// Whether an answer has all members that are expected. `...` stands for any text.
fn holds(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| answer.get(name).is_some_and(|answer| holds(answer, value)))
        }
        (Value::String(_), Value::String(any)) if any == "..." => true,
        _ => answer == expected,
    }
}

#[test]
fn every_command_on_the_pages_exists() {
    let bed = Testbed::new();
    let mut count = 0;
    for (page, roff) in pages() {
        for program in ["imgurctl", "imgurd"] {
            for line in commands(&roff, program) {
                let mut command = bed.command(binary(program));
                command.args(line.split(' ').skip(1)).arg("--help");
                let output = bed.start(command).finish();
                assert_eq!(output.code, Some(0), "{page}: {line}: {}", output.stderr);
                count += 1;
            }
        }
    }
    assert!(count > 10, "the pages have more than 10 commands: {count}");
}

#[test]
#[should_panic(expected = "nobody tries what imgurctl-token has in FILES")]
fn an_example_without_a_reader_fails() {
    let _ = examples("imgurctl-token", ".SH FILES\n.EX\nx\n.EE\n").iter().map(Reader::of).count();
}
