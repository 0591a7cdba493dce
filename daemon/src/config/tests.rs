//! What the text of config.toml means.

use std::time::Duration;

use super::refresh::duration;
use super::{Config, parse};

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn a_single_account_is_the_default() {
    let config = parse("[accounts.mine]\nclient_id = \"abc\"\n").unwrap();
    assert_eq!(config.default_account.as_deref(), Some("mine"));
}

#[test]
fn sends_the_redirect_uri_except_to_imgur() {
    let text = "[accounts.a]\nclient_id=\"x\"\n[accounts.b]\nclient_id=\"x\"\nauth_url=\"https://as.example/auth\"\ntoken_url=\"https://as.example/token\"\n";
    let config = parse(text).unwrap();
    assert!(!config.accounts["a"].send_redirect_uri);
    assert!(config.accounts["b"].send_redirect_uri);
}

#[test]
fn an_invalid_file_is_reported_with_its_line() {
    for (text, line) in [
        ("store = \"file\"\nstore = \"memory\"\n", "line 2"),
        ("[accounts.a]\nclient_id = 3\n", "line 2"),
        ("[accounts.a]\nclient_id = \"x\"\nclient_idd = \"y\"\n", "line 3"),
        ("\n[accounts.a]\nclient_id = \"x\"\nredirect_uri = \"nonsense\"\n", "line 4"),
        ("stoer = \"file\"\n", "line 1"),
        ("\ndefault_account = \"b\"\n[accounts.a]\nclient_id = \"x\"\n", "line 2"),
        ("\n[refresh]\nmax_age = \"soon\"\n", "line 3"),
        ("[notifications]\nenabled = true\nagain = [\"1s\"]\n", "line 3"),
    ] {
        let reason = parse(text).unwrap_err().reason;
        assert!(reason.contains(line), "{text:?} gave {reason:?}");
    }
}

#[test]
fn an_error_says_how_to_write_text_and_where_secrets_go() {
    for (line, advice) in [
        ("client_id = fake-id", "between quotes"),
        ("client_id = 0123456789abcde", "between quotes"),
        ("client_id = abc", "between quotes"),
        ("client_id = \"x\"\nclient_secret = \"y\"", "--client-secret-stdin"),
        ("client_id = \"x\"\nscope = 3", "imgurd --check"),
    ] {
        let reason = parse(&format!("[accounts.a]\n{line}\n")).unwrap_err().reason;
        assert!(reason.contains(advice), "{line}: {reason}");
    }
}

#[test]
fn accepts_plain_http_on_loopback_only() {
    for setting in ["auth_url", "token_url", "api_url", "revoke_url", "device_auth_url", "userinfo_url"] {
        let other = match setting {
            "auth_url" => "token_url=\"https://as.example/\"",
            "token_url" => "auth_url=\"https://as.example/\"",
            _ => "",
        };
        let with =
            |url: &str| parse(&format!("[accounts.a]\nclient_id=\"x\"\n{setting}=\"{url}\"\n{other}\n"));
        for url in ["http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost:1/", "https://as.example/"] {
            assert!(with(url).is_ok(), "{setting} {url}");
        }
        for url in ["http://as.example/", "http://127.0.0.1.example/", "ftp://127.0.0.1/"] {
            let error = with(url).unwrap_err();
            assert!(error.setting == setting && error.reason.contains("https"), "{setting} {url}: {error}");
        }
    }
}

#[test]
fn auth_url_and_token_url_must_be_set_together() {
    for (setting, missing) in [("auth_url", "token_url"), ("token_url", "auth_url")] {
        let text = format!("[accounts.a]\nclient_id=\"x\"\n{setting}=\"https://as.example/\"\n");
        let error = parse(&text).unwrap_err();
        assert_eq!(error.setting, setting);
        let said = format!("line 3, [accounts.a]: {setting} is set and {missing} is not");
        assert!(error.reason.contains(&said), "{error}");
        assert!(parse(&format!("{text}{missing}=\"\"\n")).is_err(), "an empty string counts as not set");
    }
}

#[test]
fn accepts_one_or_several_resource_uris() {
    let read = |value: &str| {
        let config = parse(&format!("[accounts.a]\nclient_id=\"x\"\nresource={value}\n"));
        config.map(|config| config.accounts["a"].resource.clone())
    };
    assert_eq!(read("\"https://api.example/\"").unwrap(), ["https://api.example/"]);
    assert_eq!(read("[\"urn:a\", \"https://b/\"]").unwrap(), ["urn:a", "https://b/"]);
    for wrong in ["\"api\"", "\"https://api.example/#part\"", "\"https://a b/\""] {
        assert_eq!(read(wrong).unwrap_err().setting, "resource", "{wrong}");
    }
}

#[test]
fn rejects_passwords_and_control_characters_in_settings() {
    for (setting, value) in [
        ("auth_url", "http://localhost@as.example/"),
        ("token_url", "https://user:pw@as.example/"),
        ("api_url", "https://user@as.example/"),
        ("scope", "a\\u001bb"),
        ("state", "a\\nb"),
        ("redirect_uri", "http://127.0.0.1:1/ "),
        ("redirect_uri", "http://127.0.0.1:1/\\u200b"),
        ("issuer", "https://as.example/\\t"),
    ] {
        let error = parse(&format!("[accounts.a]\nclient_id=\"x\"\n{setting}=\"{value}\"\n")).unwrap_err();
        assert!(error.setting == setting && !error.reason.contains("pw"), "{setting}: {error}");
    }
}

#[test]
fn strips_spaces_and_quotes_around_a_client_id() {
    let read = |id: &str| parse(&format!("[accounts.a]\nclient_id=\"{id}\"\n"));
    for id in ["abc", " abc ", "\\\"abc\\\"", "\\ufeffabc\\r\\n", "“abc”", "\u{a0}abc\\u200b"] {
        assert_eq!(read(id).unwrap().accounts["a"].client_id, "abc", "{id}");
    }
    for id in ["", " ", "a\\u0000", "a\\nb", "é", "a\\u200bb"] {
        assert_eq!(read(id).unwrap_err().setting, "client_id", "{id}");
    }
}

#[test]
fn auth_params_cannot_override_imgurds_own_parameters() {
    let text = "[accounts.a]\nclient_id=\"x\"\n[accounts.a.auth_params]\nstate=\"fixed\"\n";
    let error = parse(text).unwrap_err();
    assert_eq!(error.setting, "auth_params");
    assert!(error.reason.contains("state"), "{error}");
}

#[test]
fn rejects_secrets_and_duplicates_in_the_authorization_url() {
    for (setting, text) in [
        ("auth_params", "auth_params = { client_secret = \"fake\" }"),
        ("auth_params", "auth_params = { code_verifier = \"weak\" }"),
        ("auth_url", "auth_url = \"https://as.example/?client_id=y\""),
        ("auth_url", "auth_url = \"https://as.example/?client_secret=fake\""),
        ("auth_url", "auth_url = \"https://as.example/#a\""),
        ("token_url", "token_url = \"https://as.example/#a\""),
    ] {
        let text = format!("[accounts.a]\nclient_id = \"x\"\n{text}\n");
        let error = parse(&text).unwrap_err();
        assert!(error.setting == setting && !error.reason.contains("fake"), "{text}: {error}");
    }
    let text = "[accounts.a]\nclient_id = \"x\"\nauth_url = \"https://as.example/?tenant=y\"\ntoken_url = \"https://as.example/t\"\n";
    assert_eq!(parse(text).unwrap().accounts["a"].auth_url.query(), Some("tenant=y"));
}

#[test]
fn reads_durations_in_usual_notation() {
    let text = "[refresh]\nmargin = \"5m\"\nmax_age = \"7d\"\n[accounts.a]\nclient_id=\"x\"\n";
    let policy = parse(text).unwrap().accounts["a"].policy;
    assert_eq!(policy.margin, Some(Duration::from_mins(5)));
    assert_eq!(policy.max_age, Duration::from_hours(24 * 7));
    for (text, minutes) in [("28d", 40_320), ("10min", 10), ("1h 30m", 90), ("2 weeks", 20_160)] {
        assert_eq!(duration(text), Some(Duration::from_mins(minutes)), "{text}");
    }
    for text in ["", "soon", "5", "-5m", "5m ago", "1 month", "99999999999d"] {
        assert_eq!(duration(text), None, "{text}");
    }
}
