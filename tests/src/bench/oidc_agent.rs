//! oidc-agent with a grant of the fake Imgur, for comparison. It is used if it is installed (Debian: oidc-agent-cli).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::fake::Fake;
use crate::testbed::Testbed;

/// A running oidc-agent. Dropping it ends it.
pub(super) struct OidcAgent {
    socket: String,
    pid: i32,
}

impl OidcAgent {
    /// The command that asks it for the token.
    pub(super) const TOKEN: &str = "oidc-token imgurd-bench";

    /// Starts it and gives it a grant. `None` if it is not installed.
    pub(super) fn start(bed: &Testbed, fake: &Fake) -> Option<Self> {
        let output = bed.command("oidc-agent").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let variable = |name: &str| {
            let (_, rest) = text.split_once(&format!("{name}=")).expect("oidc-agent prints its variables");
            rest.split(';').next().expect("a variable has a value").to_owned()
        };
        let agent =
            Self { socket: variable("OIDC_SOCK"), pid: variable("OIDCD_PID").parse().expect("a number") };
        let (refresh_token, _) = fake.issue_grant("oidc-agent");
        let behaviour = fake.behaviour();
        let mut command = bed.command("oidc-gen");
        command.args(["imgurd-bench", "--manual", "--flow=refresh", "--prompt=none", "--confirm-default"]);
        command.args(["--scope=openid offline_access", "--redirect-uri=http://localhost:4242"]);
        command.arg(format!("--issuer={}", discovery(fake)));
        command.arg(format!("--client-id={}", behaviour.client_id));
        command.arg(format!("--client-secret={}", behaviour.client_secret));
        command.arg(format!("--refresh-token={refresh_token}"));
        command.arg("--pw-env=FAKE_PASSWORD").env("FAKE_PASSWORD", "fake");
        agent.introduce(&mut command);
        let output = command.output().expect("oidc-gen is installed with oidc-agent");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(agent)
    }

    /// Sets the environment variable with the agent's socket.
    pub(super) fn introduce(&self, command: &mut Command) {
        command.env("OIDC_SOCK", &self.socket);
    }
}

impl Drop for OidcAgent {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Serves the metadata that oidc-agent reads first (OpenID Connect Discovery 1.0), and returns its issuer.
fn discovery(fake: &Fake) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}/", listener.local_addr().unwrap());
    let document = json!({
        "issuer": issuer, "token_endpoint": fake.token_url(), "authorization_endpoint": fake.auth_url(),
        "registration_endpoint": issuer, "scopes_supported": ["openid", "offline_access"],
        "grant_types_supported": ["refresh_token", "authorization_code"], "response_types_supported": ["code"],
    });
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(&stream, &document.to_string());
        }
    });
    issuer
}

fn answer(mut stream: &TcpStream, document: &str) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{document}",
        document.len()
    );
}
