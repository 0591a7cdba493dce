//! `account add --issuer`.

use std::fs;

use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Fault};
use imgurd_tests::testbed::{Daemon, Output, Testbed};

struct Site {
    // Fields drop in order: the daemon ends before its directories are removed.
    _daemon: Daemon,
    bed: Testbed,
    fake: Fake,
}

impl Site {
    fn new() -> Self {
        let bed = Testbed::memory();
        Self { _daemon: bed.daemon(), bed, fake: Fake::start(Behaviour::default()) }
    }

    fn add(&self, issuer: &str, more: &[&str]) -> Output {
        let arguments = [&["account", "add", "me", "--issuer", issuer, "--client-id", "x"], more].concat();
        self.bed.ctl(&arguments)
    }

    fn config(&self) -> String {
        fs::read_to_string(self.bed.config_file()).unwrap()
    }
}

#[test]
fn the_servers_metadata_is_shown_and_saved_as_settings() {
    let site = Site::new();
    let output = site.add(&site.fake.origin(), &["--scope", "read"]).success();
    let config = site.config();
    for (setting, path) in [
        ("issuer", ""),
        ("auth_url", "/oauth2/authorize"),
        ("token_url", "/oauth2/token"),
        ("revoke_url", "/oauth2/revoke"),
        ("device_auth_url", "/oauth2/device"),
        ("userinfo_url", "/oauth2/userinfo"),
    ] {
        let url = format!("{}{path}", site.fake.origin());
        assert!(config.contains(&format!("{setting} = \"{url}\"\n")), "{config}");
        let shown = output.stderr.lines().any(|line| line.starts_with(setting) && line.ends_with(&url));
        assert!(shown, "{}", output.stderr);
    }
    assert!(config.contains("client_auth = \"basic\"") && config.contains("scope = \"read\""), "{config}");
    assert!(output.stderr.contains("supports PKCE"), "{}", output.stderr);
    let asked = site.fake.requests(Endpoint::Metadata).len();
    site.bed.ctl(&["account", "set", "me", "--scope", "other"]).success();
    site.bed.ctl(&["login", "me", "--no-browser", "--timeout", "1s"]).exits(10);
    assert_eq!(site.fake.requests(Endpoint::Metadata).len(), asked, "the metadata is not read again");
}

#[test]
fn an_issuer_with_both_endpoints_needs_no_metadata() {
    let site = Site::new();
    let (auth_url, token_url) = (site.fake.auth_url(), site.fake.token_url());
    site.add("https://as.example", &["--auth-url", &auth_url, "--token-url", &token_url]).success();
    assert!(site.config().contains("issuer = \"https://as.example\""));
    assert!(site.fake.requests(Endpoint::Metadata).is_empty());
}

#[test]
fn one_endpoint_without_the_other_is_refused() {
    let site = Site::new();
    for option in ["--auth-url", "--token-url"] {
        let arguments = ["account", "add", "me", "--client-id", "x", option, "https://as.example/"];
        let output = site.bed.ctl(&arguments).exits(2);
        assert!(output.complaint().contains("; set both, or neither"), "{}", output.stderr);
    }
    assert!(!site.config().contains("[accounts.me]"));
}

#[test]
fn invalid_metadata_is_a_clear_error_and_adds_no_account() {
    let site = Site::new();
    let other = r#"{"issuer":"https://other.example","authorization_endpoint":"https://a/","token_endpoint":"https://a/"}"#;
    let answer = |body: &str| Fault::Answer {
        status: 200,
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: body.into(),
    };
    let readable = format!(
        r#"{{"issuer":"{}","authorization_endpoint":"http://as.example/a","token_endpoint":"https://a/"}}"#,
        site.fake.origin()
    );
    for (fault, said) in [
        (answer(other), "the server calls itself https://other.example"),
        (answer(&readable), "its authorization_endpoint (http://as.example/a) is not an https URL"),
        (answer("{"), "the answer is not JSON"),
        (answer("{}"), "the answer names no issuer"),
        (Fault::Html(200), "the answer is a web page"),
        (
            Fault::Redirect("https://as.example/".into()),
            "a redirect (HTTP 302), which imgurd does not follow",
        ),
        (Fault::Huge, "is too long"),
        (Fault::Html(500), "the server answers with HTTP 500"),
        (Fault::Html(404), "publishes no metadata"),
    ] {
        site.fake.clear(Endpoint::Metadata);
        site.fake.fail_always(Endpoint::Metadata, fault);
        let output = site.add(&site.fake.origin(), &[]).exits(2);
        assert!(output.complaint().contains(said), "{said}: {}", output.stderr);
        assert_eq!(
            output.complaint().matches("; ").count(),
            1,
            "the error says what to do: {}",
            output.stderr
        );
    }
    for (issuer, code, said) in [
        ("http://as.example", 2, "issuer must be an https URL"),
        ("as.example", 2, "issuer is not a URL"),
        ("https://as.example/?tenant=1", 2, "must not have a query"),
        ("http://127.0.0.1:1", 6, "cannot get the metadata"),
    ] {
        let output = site.add(issuer, &[]).exits(code);
        assert!(output.complaint().contains(said), "{issuer}: {}", output.stderr);
    }
    assert!(!site.config().contains("[accounts.me]"));
}
