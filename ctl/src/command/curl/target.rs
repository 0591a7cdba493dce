//! The URL of a request, whose origin is always the API's.

use imgurd_proto::{Error, is_loopback};
use url::Url;

use crate::failure::Failure;

/// The API of an account.
pub(super) struct Api(Url);

impl Api {
    /// Refuses an API to which the token would be sent over a network without TLS.
    pub(super) fn new(api_url: &str) -> Result<Self, Failure> {
        let url = Url::parse(api_url).ok().filter(|url| {
            url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback))
        });
        url.map(Self).ok_or_else(|| {
            let reason =
                "the API URL does not use HTTPS; change it with `imgurctl account set --api-url URL`".into();
            Error::Misconfigured { setting: "api_url".into(), reason }.into()
        })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL for `text`. Everything before its path is rewritten, so that it cannot lead elsewhere even if curl
    /// parses `text` differently.
    pub(super) fn url(&self, text: &str) -> Result<String, Failure> {
        let origin = self.0.origin().ascii_serialization();
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            let base = self.0.path().trim_end_matches('/');
            return Ok(format!("{origin}{base}/{}", text.trim_start_matches('/')));
        };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        self.check(scheme, authority)?;
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Ok(format!("{origin}{slash}{rest}"))
    }

    fn check(&self, scheme: &str, authority: &str) -> Result<(), Failure> {
        let named = Url::parse(&format!("{scheme}://{authority}/")).ok();
        let is_same = |url: &Url| url.origin() == self.0.origin() && !authority.contains('@');
        if named.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let reason = format!(
            "the URL is not on {}, the only server that gets the token; use curl itself for other servers, or another account",
            self.0.origin().ascii_serialization()
        );
        Err(Failure::usage("ARGS", reason))
    }
}

fn is_scheme(text: &str) -> bool {
    let is_of_one = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    !text.is_empty() && text.chars().all(is_of_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imgur() -> Api {
        Api::new("https://api.imgur.com/3/").expect("an API")
    }

    #[test]
    fn appends_a_path_to_the_api_url() {
        for (text, url) in [
            ("account/me", "https://api.imgur.com/3/account/me"),
            ("/account/me", "https://api.imgur.com/3/account/me"),
            ("", "https://api.imgur.com/3/"),
            ("gallery/search?q=a b#x", "https://api.imgur.com/3/gallery/search?q=a b#x"),
            ("@evil.example/", "https://api.imgur.com/3/@evil.example/"),
            ("//evil.example/", "https://api.imgur.com/3/evil.example/"),
            ("\\\\evil.example", "https://api.imgur.com/3/\\\\evil.example"),
            ("http:evil.example", "https://api.imgur.com/3/http:evil.example"),
            ("?u=http://evil.example", "https://api.imgur.com/3/?u=http://evil.example"),
            ("../oauth2/token", "https://api.imgur.com/3/../oauth2/token"),
        ] {
            assert_eq!(imgur().url(text).expect("an URL"), url);
        }
        assert_eq!(Api::new("http://[::1]:80").expect("an API").url("a").expect("an URL"), "http://[::1]/a");
    }

    #[test]
    fn keeps_a_complete_url_of_the_apis_origin() {
        for (text, url) in [
            ("https://api.imgur.com/3/account/me", "https://api.imgur.com/3/account/me"),
            ("HTTPS://API.imgur.com:443/oauth2/x?y", "https://api.imgur.com/oauth2/x?y"),
            ("https://api.imgur.com?a=b", "https://api.imgur.com/?a=b"),
            ("https://api.imgur.com", "https://api.imgur.com/"),
            ("https://api.imgur.com\\@evil.example/", "https://api.imgur.com/\\@evil.example/"),
            ("https://api.imgur.com#@evil.example/", "https://api.imgur.com/#@evil.example/"),
        ] {
            assert_eq!(imgur().url(text).expect("an URL"), url);
        }
    }

    #[test]
    fn refuses_every_other_origin() {
        for text in [
            "https://evil.example/3/account/me",
            "http://api.imgur.com/3/account/me",
            "https://api.imgur.com:8443/",
            "https://api.imgur.com.evil.example/",
            "https://api.imgur.com@evil.example/",
            "https://user:pass@api.imgur.com/",
            "https://evil.example/?https://api.imgur.com/",
            "https://{api.imgur.com,evil.example}/",
            "https://api.imgur.com,evil.example/",
            "https://[api.imgur.com]/",
            "https://api.imgur.com%2f.evil.example/",
            "https://",
            "file:///etc/passwd",
            "ftp://api.imgur.com/",
        ] {
            let failure = imgur().url(text).expect_err(text);
            assert_eq!(failure.exit_code(), 2, "{text}");
            assert!(failure.to_string().contains("https://api.imgur.com"), "{failure}");
        }
    }

    #[test]
    fn refuses_an_api_without_tls() {
        for url in ["http://api.imgur.com/3/", "ftp://127.0.0.1/", "nonsense"] {
            assert!(Api::new(url).is_err_and(|failure| failure.exit_code() == 9), "{url}");
        }
    }
}
