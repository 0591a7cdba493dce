//! A first session at a terminal, from an account to a token.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::svg;
use crate::fake::{Behaviour, Fake};
use crate::relay::{Manner, Relay};
use crate::testbed::{Network, Testbed, at_terminal, binary};
use crate::tls::Authority;

/// A documentation address (RFC 5737), to which `api.imgur.com` resolves here.
const ADDRESS: &str = "198.51.100.7";

/// A browser that allows access.
const BROWSER: &str = "#!/bin/sh\nexec curl -sSL -o /dev/null -d 'username=alice&decision=allow' \"$1\"\n";

/// An application as Imgur registers it. The lifetime does not depend on how fast the machine is.
fn imgur() -> Behaviour {
    Behaviour {
        client_id: "0123456789abcde".to_owned(),
        callback: Some(imgurd_proto::DEFAULT_REDIRECT_URI.to_owned()),
        lifetime: Duration::from_hours(20 * 24 + 7),
        ..Behaviour::default()
    }
}

/// The picture of the session, as an SVG that is always the same.
pub fn terminal() -> String {
    let bed = Testbed::memory();
    let authority = Authority::new(bed.root(), "trusted");
    bed.set_env("SSL_CERT_FILE", authority.certificate());
    let mut network = bed.network();
    network.up();
    network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
    network.know(&[("127.0.0.1", "localhost"), (ADDRESS, "api.imgur.com")]);
    let fake = Fake::start(imgur());
    let at = SocketAddr::new(ADDRESS.parse().unwrap(), 443);
    Relay::start(network.listen(at), fake.address(), Manner::Tls(authority.server("api.imgur.com")));
    let browser = bed.root().join("browser");
    fs::write(&browser, BROWSER).unwrap();
    fs::set_permissions(&browser, Permissions::from_mode(0o755)).unwrap();
    bed.set_env("BROWSER", browser);
    let _daemon = bed.daemon();
    let add = ["account", "add", "me", "--client-id", &fake.behaviour().client_id];
    let commands: [&[&str]; 4] = [&add, &["login"], &["token"], &["status"]];
    let shown = commands.map(|arguments| run(&bed, &network, &fake, arguments));
    svg::draw(&without_chance(&shown.concat()))
}

/// The command and its output.
fn run(bed: &Testbed, network: &Network, fake: &Fake, arguments: &[&str]) -> String {
    let mut command = network.command(bed, &bed.home(), binary("imgurctl"));
    command.args(["--color", "always"]).args(arguments).env("COLUMNS", "100").env("TERM", "xterm-256color");
    let secret = fake.behaviour().client_secret;
    let (status, seen) = at_terminal(command, |said| said.ends_with(": ").then(|| format!("{secret}\r")));
    assert!(status.success(), "{seen}");
    format!("\x1b[1m$ imgurctl {}\x1b[0m\n{}\n", arguments.join(" "), seen.trim_end())
}

/// The text with a made-up token, and without the random parts of URLs.
fn without_chance(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let is_token = line.len() == 40 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_token { "3f7a2c9e1b84d05f6e9a7c2b4d8f1e0a5c6b7d93" } else { line }
    });
    let lines = lines
        .map(|line| line.split_once("&state=").map_or(line.to_owned(), |(start, _)| format!("{start}…")));
    lines.map(|line| line + "\n").collect()
}
