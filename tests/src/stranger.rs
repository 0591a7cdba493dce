//! Servers and clients of other projects, which `tests/strangers/setup` installs.

mod django;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

pub use django::Django;

use crate::browser::{Browser, Page};
use crate::testbed::{Output, Program, Testbed, free_port};

/// The client secret of all clients at the [`OidcProvider`].
pub const CLIENT_SECRET: &str = "fake-secret-of-the-strangers";

/// npm's `oidc-provider`: it requires PKCE, rotates refresh tokens, and revokes the grant if one is used twice.
#[derive(Debug)]
pub struct OidcProvider {
    program: Program,
    issuer: String,
}

impl OidcProvider {
    /// Starts a server whose access tokens have this lifetime.
    pub fn start(bed: &Testbed, lifetime: Duration) -> Self {
        let mut command = node(bed);
        command.arg(script("oidc-provider.mjs")).arg(modules()).arg(lifetime.as_secs().to_string());
        let mut program = bed.start(command);
        let line = program.line().expect("oidc-provider starts");
        let first: Value = serde_json::from_str(&line).unwrap();
        Self { program, issuer: first["issuer"].as_str().unwrap().to_owned() }
    }

    /// Adds an account with `client_auth`, which is `basic` or `body`.
    pub fn add_account(&self, bed: &Testbed, name: &str, client_auth: &str) {
        let id = if client_auth == "basic" { "fake-basic" } else { "fake-post" };
        let arguments = [
            ["--client-id", id],
            ["--client-auth", client_auth],
            ["--auth-url", &self.url("/auth")],
            ["--token-url", &self.url("/token")],
            ["--api-url", &self.url("/")],
            ["--redirect-uri", &format!("http://127.0.0.1:{}/callback", free_port())],
            ["--send-redirect-uri", "true"],
            ["--refresh-reuse", "revokes"],
            ["--scope", "openid offline_access"],
            // The server gives no refresh token without a consent prompt (OpenID Connect Core, section 11).
            ["--auth-param", "prompt=consent"],
        ];
        let arguments =
            [&["account", "add", name, "--client-secret-stdin"], arguments.as_flattened()].concat();
        bed.ctl_with(&arguments, CLIENT_SECRET).success();
    }

    /// The URL of one of its pages.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Opens its page, signs in as `user` and allows access.
    pub fn allow(&self, url: &str, user: &str) -> Page {
        let mut browser = Browser::default();
        let question = self.sign_in(&mut browser, url, user);
        browser.submit(&self.action(&question), &[("prompt", "consent")])
    }

    /// Opens its page, signs in as `user` and cancels.
    pub fn deny(&self, url: &str, user: &str) -> Page {
        let mut browser = Browser::default();
        let question = self.sign_in(&mut browser, url, user);
        browser.open(&format!("{}/abort", self.action(&question)))
    }

    /// Enters a device code at its page as `user`, and allows access or cancels.
    pub fn enter_code(&self, page: &str, code: &str, user: &str, allows: bool) -> Page {
        let mut browser = Browser::default();
        let asked = browser.open(page);
        let confirm = browser.answer(&asked, &[("user_code", code)]);
        if !allows {
            return browser.answer(&confirm, &[("abort", "yes")]);
        }
        let page = browser.answer(&confirm, &[("confirm", "yes")]);
        let question = self.sign_in_at(&mut browser, &page, user);
        browser.submit(&self.action(&question), &[("prompt", "consent")])
    }

    fn sign_in(&self, browser: &mut Browser, url: &str, user: &str) -> Page {
        let page = browser.open(url);
        self.sign_in_at(browser, &page, user)
    }

    fn sign_in_at(&self, browser: &mut Browser, page: &Page, user: &str) -> Page {
        let form = [("prompt", "login"), ("login", user), ("password", "any")];
        browser.submit(&self.action(page), &form)
    }

    /// The URL to which the form of a page is sent.
    fn action(&self, page: &Page) -> String {
        let (_, after) = page
            .text
            .split_once("action=\"")
            .unwrap_or_else(|| panic!("the page has no form: {}", page.text));
        let (action, _) = after.split_once('"').unwrap();
        assert!(action.starts_with(&self.issuer), "{action}");
        action.to_owned()
    }

    /// Waits for this event. Fails if another event comes first.
    pub fn expect(&mut self, event: &str) -> Value {
        let line = self.program.line().unwrap_or_else(|| panic!("oidc-provider ended before {event}"));
        let happened: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(happened["event"], event, "{happened}");
        happened
    }

    /// Stops the server, and returns the remaining output.
    pub fn finish(self) -> Output {
        self.program.finish()
    }
}

/// nginx as a reverse proxy that compresses what it can.
#[derive(Debug)]
pub struct Nginx {
    program: Program,
    port: u16,
}

impl Nginx {
    /// Starts a proxy for the server at `to`.
    pub fn start(bed: &Testbed, to: SocketAddr) -> Self {
        let (port, directory) = (free_port(), bed.root().join("nginx"));
        fs::create_dir(&directory).unwrap();
        let configuration = NGINX.replace("PORT", &port.to_string()).replace("SERVER", &to.to_string());
        fs::write(directory.join("nginx.conf"), configuration).unwrap();
        let mut command = bed.command("/usr/sbin/nginx");
        command.arg("-p").arg(&directory).args(["-c", "nginx.conf", "-e", "/dev/stdout"]);
        let mut program = bed.start(command);
        // nginx prints this once it listens.
        program.line_where(|line| line.contains("using the \"epoll\" event method"));
        Self { program, port }
    }

    /// The URL of a path at the proxy.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits for an answer with this path, status and content coding.
    pub fn expect(&mut self, answer: &str) {
        self.program.line_where(|line| line == answer);
    }
}

const NGINX: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log /dev/stdout notice;
events {}
http {
    log_format answer '$uri $status $sent_http_content_encoding';
    access_log /dev/stdout answer;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    gzip on;
    gzip_types application/json;
    gzip_min_length 1;
    server {
        listen 127.0.0.1:PORT;
        location / { proxy_pass http://SERVER; }
    }
}
";

/// A Python client that reads requests and writes answers as lines of JSON.
#[derive(Debug)]
pub struct PythonClient(Program);

impl PythonClient {
    /// PyPI's `varlink`, connected to the daemon's socket.
    pub fn varlink(bed: &Testbed) -> Self {
        Self::start(bed, "varlink_client.py", Some(bed.socket()))
    }

    /// PyPI's `dasbus`, which uses GLib, on the testbed's bus.
    pub fn dasbus(bed: &Testbed) -> Self {
        Self::start(bed, "dbus_dasbus.py", None)
    }

    /// PyPI's `jeepney`, which is pure Python, on the testbed's bus.
    pub fn jeepney(bed: &Testbed) -> Self {
        Self::start(bed, "dbus_jeepney.py", None)
    }

    fn start(bed: &Testbed, file: &str, socket: Option<PathBuf>) -> Self {
        let mut command = python(bed);
        command.arg(script(file)).args(socket);
        Self(bed.start(command))
    }

    /// Sends a request, and returns the answer.
    pub fn ask(&mut self, request: &Value) -> Value {
        self.0.write(&format!("{request}\n"));
        self.answer()
    }

    /// Calls a method, and returns the answer.
    pub fn call(&mut self, method: &str, arguments: &Value) -> Value {
        self.ask(&json!({ "call": method, "arguments": arguments }))
    }

    /// Waits for the next answer.
    pub fn answer(&mut self) -> Value {
        let line = self.0.line().expect("the client answers before it ends");
        serde_json::from_str(&line).expect("the answer is JSON")
    }
}

/// Node.js, 20 or later.
pub fn node(bed: &Testbed) -> Command {
    bed.command(installed("bin/node"))
}

/// The directory of the packages for Node.js.
pub fn modules() -> PathBuf {
    installed("node/node_modules")
}

/// The Python interpreter with the installed clients.
pub fn python(bed: &Testbed) -> Command {
    bed.command(installed("python/bin/python"))
}

fn script(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("strangers").join(file)
}

/// A path below the directory that `tests/strangers/setup` made.
fn installed(path: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let mut rooms = test.ancestors().map(|directory| directory.join("strangers"));
    let room = rooms.find(|room| room.join("stamp").is_file()).unwrap_or_else(|| {
        panic!("the other projects' servers and clients are not installed; run `make test` or tests/strangers/setup")
    });
    room.join(path)
}
