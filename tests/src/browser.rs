//! A scripted browser user: opens the page, presses a button, and returns the last page.

use std::collections::BTreeMap;

use url::Url;

use crate::http;

/// The last page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The address with its fragment.
    pub url: String,
    /// The status of the page. If a redirect leads to another machine, it is not followed and this is its status.
    pub status: u16,
    /// The text of the page.
    pub text: String,
}

impl Page {
    /// The PIN that the page shows, if it shows one.
    pub fn pin(&self) -> Option<&str> {
        let (_, after) = self.text.split_once("id=\"pin\">")?;
        after.split_once('<').map(|(pin, _)| pin)
    }

    /// The names and values of the form's fields.
    pub fn fields(&self) -> Vec<(String, String)> {
        let inputs = self.text.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
        let field =
            |input: &str| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()));
        inputs.filter(|input| !input.contains("\"submit\"")).filter_map(field).collect()
    }

    /// The fragment of the address, which browsers do not send.
    pub fn fragment(&self) -> Option<String> {
        Url::parse(&self.url).ok()?.fragment().map(ToOwned::to_owned)
    }
}

/// Opens the authorization page and presses *Allow*, signed in as `user`.
pub fn allow(url: &str, user: &str) -> Page {
    decide(url, &[("username", user), ("decision", "allow")])
}

/// Opens the authorization page and presses *Deny*.
pub fn deny(url: &str) -> Page {
    decide(url, &[("decision", "deny")])
}

/// Opens a page.
pub fn open(url: &str) -> Page {
    Browser::default().open(url)
}

fn decide(url: &str, form: &[(&str, &str)]) -> Page {
    let mut browser = Browser::default();
    let page = browser.open(url);
    assert!(
        page.status == 200 && page.text.contains("<form method=\"post\">"),
        "the page has no form: {} {}",
        page.status,
        page.text
    );
    browser.submit(&page.url, form)
}

/// A browser with cookies, which servers with several sign-in pages need.
#[derive(Debug, Default)]
pub struct Browser {
    /// By path and name. All pages are on this machine, and cookies do not depend on the port (RFC 6265, section
    /// 8.5).
    cookies: BTreeMap<(String, String), String>,
}

impl Browser {
    /// Opens a page.
    pub fn open(&mut self, url: &str) -> Page {
        let at = address(url);
        let answer = self.get(&at);
        self.follow(at, answer)
    }

    /// Submits the form of `page` to its own address. These fields replace or complete those of the form.
    pub fn answer(&mut self, page: &Page, more: &[(&str, &str)]) -> Page {
        let fields = page.fields();
        let kept = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        self.submit(&page.url, &kept.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Submits a form to `action`.
    pub fn submit(&mut self, action: &str, form: &[(&str, &str)]) -> Page {
        let at = address(action);
        let cookies = self.cookies_for(&at);
        let answer = http::post_with(&sent(&at), &[("Cookie", &cookies)], form);
        self.follow(at, answer.expect("the form can be submitted"))
    }

    fn get(&self, at: &Url) -> http::Answer {
        http::get_with(&sent(at), &[("Cookie", &self.cookies_for(at))]).expect("the server answers")
    }

    fn follow(&mut self, mut at: Url, mut answer: http::Answer) -> Page {
        for _ in 0..5 {
            self.keep_cookies(&answer);
            let Some(location) = answer.header("location") else {
                break;
            };
            at = at.join(location).expect("the redirect leads to a URL");
            // Without a callback, the redirect leads to the real imgur.com, which is not opened.
            if !is_here(&at) {
                break;
            }
            answer = self.get(&at);
        }
        Page { url: at.into(), status: answer.status, text: answer.text }
    }

    fn keep_cookies(&mut self, answer: &http::Answer) {
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let mut parts = cookie.split("; ").filter_map(|part| part.split_once('='));
            let (name, value) = parts.next().expect("a cookie has a name and a value");
            let path =
                parts.find(|(name, _)| name.eq_ignore_ascii_case("path")).map_or("/", |(_, path)| path);
            self.cookies.insert((path.to_owned(), name.to_owned()), value.to_owned());
        }
    }

    /// A cookie without a value deletes it.
    fn cookies_for(&self, at: &Url) -> String {
        let sent = self
            .cookies
            .iter()
            .filter(|((path, _), value)| !value.is_empty() && at.path().starts_with(path.as_str()));
        sent.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    let value = after.split('"').next()?;
    Some(value.replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&"))
}

fn address(url: &str) -> Url {
    Url::parse(url).expect("the address is a URL")
}

/// The URL without its fragment, which browsers do not send.
fn sent(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}

fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "127.0.0.2" | "localhost" | "[::1]"))
}
