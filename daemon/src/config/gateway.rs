//! The section `[gateway]`: where the gateway listens, and its clients.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use oauth2::RedirectUrl;
use serde::Deserialize;
use url::Url;

use super::account::{AccountConfig, check_name};
use super::error::ConfigError;

/// Schemes that browsers execute or show themselves. No answer may be sent to such an address.
const NO_CALLBACKS: [&str; 12] = [
    "about",
    "blob",
    "data",
    "file",
    "ftp",
    "intent",
    "javascript",
    "mailto",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];
/// The parameters that imgurd adds to the answer (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).
const ANSWER: [&str; 5] = ["code", "error", "error_description", "iss", "state"];

/// The checked gateway section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// The loopback address to listen on; `None` means that the gateway is off.
    pub listen: Option<SocketAddr>,
    /// Its clients, by their names.
    pub clients: BTreeMap<String, GatewayClient>,
}

/// A program that the gateway serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayClient {
    /// The account that it uses; `None` means the default account.
    pub account: Option<String>,
    /// Where answers may be sent, character for character (RFC 9700, section 4.1.3).
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Whether it is a public client, without a secret (RFC 6749, section 2.1).
    #[serde(default)]
    pub public: bool,
}

impl GatewayClient {
    /// Whether an answer may be sent to this address. It must equal a registered one, character for character. A
    /// registered loopback address without a port allows every port (RFC 8252, section 7.3).
    #[must_use]
    pub fn accepts(&self, redirect_uri: &str) -> bool {
        self.redirect_uris
            .iter()
            .any(|known| known == redirect_uri || without_port(redirect_uri).is_some_and(|it| it == *known))
    }
}

/// A loopback address without its port, or else `None`.
fn without_port(text: &str) -> Option<String> {
    let port = Url::parse(text).ok().filter(|url| url.scheme() == "http")?.port()?;
    let (host, path) = text.strip_prefix("http://")?.split_at_checked(text[7..].find('/')?)?;
    let host = host.strip_suffix(&format!(":{port}"))?;
    imgurd_proto::is_loopback(host).then(|| format!("http://{host}{path}"))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    listen: Option<String>,
    #[serde(default)]
    clients: BTreeMap<String, GatewayClient>,
}

impl Section {
    /// `at` adds the line to an error in the section of this name.
    pub(super) fn check(
        self,
        accounts: &BTreeMap<String, Arc<AccountConfig>>,
        at: impl Fn(&[&str], ConfigError) -> ConfigError,
    ) -> Result<Gateway, ConfigError> {
        for (name, client) in &self.clients {
            let named = check_name(name).map_err(|_| ConfigError::new("name", ODD_NAME));
            let checked =
                named.and_then(|()| client.redirect_uris.iter().try_for_each(|uri| check_redirect_uri(uri)));
            checked.map_err(|error| at(&["gateway", "clients", name], error))?;
        }
        let listen = self.listen.as_deref().map(address).transpose();
        let listen = listen.map_err(|error| at(&["gateway"], error))?;
        let sharing = accounts
            .iter()
            .find(|(_, account)| listen.is_some_and(|listen| is_callback(&account.redirect_uri, listen)));
        if let Some((name, _)) = sharing {
            let reason =
                format!("listen is the address of the callback of {name}; use another port, such as 8918");
            return Err(at(&["gateway"], ConfigError::new("listen", reason)));
        }
        Ok(Gateway { listen, clients: self.clients })
    }
}

/// Whether imgurd listens there during a sign-in.
fn is_callback(redirect_uri: &RedirectUrl, listen: SocketAddr) -> bool {
    let host = redirect_uri.url().host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse();
    redirect_uri.url().port_or_known_default() == Some(listen.port())
        && ip.map_or(host == "localhost", |ip: IpAddr| ip == listen.ip())
}

pub(super) const ODD_NAME: &str = "a gateway client's name must have 1 to 64 letters, digits, dots, dashes or underscores; choose another name";

/// Reads a loopback address. Programs on other machines cannot connect to it.
pub(super) fn address(text: &str) -> Result<SocketAddr, ConfigError> {
    let address: Option<SocketAddr> = text.replacen("localhost", "127.0.0.1", 1).parse().ok();
    address.filter(|address| address.ip().is_loopback() && address.port() != 0).ok_or_else(|| {
        let reason =
            "[gateway] listen must be a loopback address and a port; write for example \"127.0.0.1:8918\"";
        ConfigError::new("listen", reason)
    })
}

pub(super) fn check_redirect_uri(text: &str) -> Result<(), ConfigError> {
    let is_written_well = text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let fault = match Url::parse(text) {
        _ if !is_written_well => {
            "contains a space or another character that a URL must not have, or is too long"
        }
        Err(_) => "is not a URL",
        Ok(url) if url.fragment().is_some() => "has a fragment (#), which a callback must not have",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "has a user name or password",
        Ok(url) if url.query_pairs().any(|(name, _)| ANSWER.contains(&&*name)) => {
            "has a parameter that belongs to the answer, such as code or state"
        }
        Ok(url) if NO_CALLBACKS.contains(&url.scheme()) => "has a scheme that cannot receive an answer",
        Ok(url) if url.scheme() == "http" && !url.host_str().is_some_and(imgurd_proto::is_loopback) => {
            "is plain http, which others on the network can read"
        }
        Ok(_) => return Ok(()),
    };
    let reason = format!("a redirect URI of a gateway client {fault}; copy it from the program");
    Err(ConfigError::new("redirect_uris", reason))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn the_gateway_is_off_unless_configured() {
        assert_eq!(parse("").unwrap().gateway, Gateway::default());
        let text = "[gateway]\nlisten = \"127.0.0.1:8918\"\n[gateway.clients.postman]\naccount = \"me\"\nredirect_uris = \
                    [\"https://oauth.pstmn.io/v1/callback\"]\n";
        let gateway = parse(text).unwrap().gateway;
        assert_eq!(gateway.listen, Some("127.0.0.1:8918".parse().unwrap()));
        assert_eq!(gateway.clients["postman"].redirect_uris, ["https://oauth.pstmn.io/v1/callback"]);
    }

    #[test]
    fn the_gateway_listens_on_loopback_only() {
        for listen in [
            "0.0.0.0:8918",
            "[::]:8918",
            "192.0.2.1:8918",
            "127.0.0.1",
            "127.0.0.1:0",
            "example.org:80",
            ":8918",
        ] {
            let error = parse(&format!("[gateway]\nlisten = \"{listen}\"\n")).unwrap_err();
            assert!(error.setting == "listen" && error.reason.contains("line 2"), "{listen}: {error}");
        }
        for listen in ["127.0.0.1:8918", "[::1]:8918", "localhost:8918"] {
            assert!(parse(&format!("[gateway]\nlisten = \"{listen}\"\n")).is_ok(), "{listen}");
        }
    }

    #[test]
    fn the_gateway_has_another_port_than_a_callback() {
        let with = |listen: &str, callback: &str| {
            parse(&format!(
                "[gateway]\nlisten = \"{listen}\"\n[accounts.me]\nclient_id = \"c\"\nredirect_uri = \"{callback}\"\n"
            ))
        };
        for callback in ["http://127.0.0.1:8917/callback", "http://localhost:8917/"] {
            let error = with("127.0.0.1:8917", callback).unwrap_err();
            assert!(
                error.reason.contains("line 2, [gateway]: listen is the address of the callback of me"),
                "{error}"
            );
        }
        assert!(with("[::1]:8917", "http://[::1]:8917/").is_err());
        assert!(with("127.0.0.1:8918", "http://127.0.0.1:8917/callback").is_ok());
        assert!(with("127.0.0.1:443", "https://example.org/callback").is_ok());
    }

    #[test]
    fn an_error_names_the_client_and_the_line() {
        let text = "[gateway]\nlisten = \"127.0.0.1:8918\"\n[gateway.clients.good]\n[gateway.clients.bad]\naccount = \"me\"\nredirect_uris = \
                    [\"nonsense\"]\n";
        let error = parse(text).unwrap_err();
        assert!(error.reason.starts_with("config.toml, line 6, [gateway.clients.bad]: "), "{error}");
        let error = parse("[gateway]\n[gateway.clients.\"a b\"]\n").unwrap_err();
        assert!(error.reason.starts_with("config.toml, line 2, [gateway.clients.a b]: "), "{error}");
    }

    #[test]
    fn rejects_redirect_uris_that_others_could_read() {
        for uri in [
            "http://example.org/",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://a.example/#x",
            "nonsense",
            "https://a b/",
            "https://user@a.example/",
            "https://a.example/?code=1",
            "ftp://a.example/",
        ] {
            assert!(check_redirect_uri(uri).is_err(), "{uri}");
        }
        for uri in [
            "https://oauth.pstmn.io/v1/callback",
            "http://127.0.0.1:1234/cb",
            "com.example.app:/cb",
            "bruno://app/oauth2/callback",
        ] {
            assert!(check_redirect_uri(uri).is_ok(), "{uri}");
        }
    }

    #[test]
    fn compares_redirect_uris_exactly_except_for_an_open_loopback_port() {
        let client =
            |uri: &str| GatewayClient { redirect_uris: vec![uri.to_owned()], ..GatewayClient::default() };
        let native = client("http://127.0.0.1/cb");
        for uri in ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
            assert!(native.accepts(uri), "{uri}");
        }
        for uri in [
            "http://127.0.0.1:1/CB",
            "http://127.0.0.1:1/cb/",
            "http://127.0.0.1:1/cb?x",
            "http://127.0.0.1:01/cb",
            "http://localhost:1/cb",
            "https://127.0.0.1:1/cb",
            "http://x@127.0.0.1:1/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1.evil.example:1/cb",
        ] {
            assert!(!native.accepts(uri), "{uri}");
        }
        assert!(client("http://[::1]/cb").accepts("http://[::1]:8080/cb"));
        assert!(
            !client("http://127.0.0.1:1/cb").accepts("http://127.0.0.1:2/cb"),
            "a registered port has to match"
        );
        assert!(!client("https://a.example/cb").accepts("https://a.example:8443/cb"));
    }
}
