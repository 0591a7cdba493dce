//! What a person does in a browser: open the page, press a button, end up somewhere.

use url::Url;

use crate::http;

/// Where the person ended up.
#[derive(Clone, Debug)]
pub struct Page {
    /// What the address bar shows, fragment included.
    pub url: String,
    /// The status of the page; of the redirect, where it leads off this machine and is not followed.
    pub status: u16,
    /// The page.
    pub text: String,
}

impl Page {
    /// The PIN that the page shows, if it shows one.
    pub fn pin(&self) -> Option<&str> {
        let (_, after) = self.text.split_once("id=\"pin\">")?;
        after.split_once('<').map(|(pin, _)| pin)
    }

    /// The fragment of the address, which no server is told.
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
    let answer = http::get(&sent(&address(url)), None).expect("the page answers");
    follow(address(url), answer)
}

fn decide(url: &str, form: &[(&str, &str)]) -> Page {
    let page = open(url);
    assert!(
        page.status == 200 && page.text.contains("<form method=\"post\">"),
        "there is no form to press a button in: {} {}",
        page.status,
        page.text
    );
    let answer = http::post(&sent(&address(&page.url)), None, form).expect("the form can be submitted");
    follow(address(&page.url), answer)
}

fn follow(mut at: Url, mut answer: http::Answer) -> Page {
    for _ in 0..5 {
        let Some(location) = answer.header("location") else {
            break;
        };
        at = at.join(location).expect("the redirect leads to a URL");
        // The real imgur.com is where an application without a callback lands: there it ends.
        if !is_here(&at) {
            break;
        }
        answer = http::get(&sent(&at), None).expect("the callback answers");
    }
    Page { url: at.into(), status: answer.status, text: answer.text }
}

fn address(url: &str) -> Url {
    Url::parse(url).expect("an address is a URL")
}

/// What goes out: everything but the fragment.
fn sent(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    url.into()
}

fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}
