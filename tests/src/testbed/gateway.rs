//! The gateway of a [`Scene`], and what a client and its user do there.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{Scene, free_port};
use crate::fake::Behaviour;
use crate::http::{self, Answer};

/// The code verifier and the code challenge of RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A Python program that opens the authorization URL in its argument and presses *Allow* itself. It prints the
/// statuses of the page and of the answer. With a second argument, it only sends the answer to the question with that ID.
pub const ALLOWS_ITSELF: &str = "
import re, sys, urllib.error, urllib.parse, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_): return None
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)
def ask(url, form=None):
    try: answer = opener.open(url, form and urllib.parse.urlencode(form).encode())
    except urllib.error.HTTPError as error: answer = error
    return answer.status, answer.read().decode()
url, *ids = sys.argv[1:]
statuses = []
if not ids:
    status, page = ask(url)
    statuses.append(status)
    ids = re.findall('name=\"id\" value=\"(.*?)\"', page)
print(*statuses, *(ask(url.split('?')[0], {'id': id, 'decision': 'allow'})[0] for id in ids))
";

/// An open gateway with the client `postman`.
#[derive(Debug)]
pub struct Gateway {
    /// The daemon, the fake Imgur and the account.
    pub scene: Scene,
    /// Its issuer, such as `http://127.0.0.1:8918`.
    pub base: String,
    /// The address that it listens on.
    pub listen: String,
    /// The client secret of `postman`.
    pub secret: String,
}

impl Gateway {
    /// Postman's own redirect URI.
    pub const CALLBACK: &str = "https://oauth.pstmn.io/v1/callback";

    /// Opens the gateway of `scene`.
    pub fn new(scene: Scene) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        scene.ctl(&["gateway", "on", "--listen", &listen]).success();
        let add = ["gateway", "add", "postman", "--redirect-uri", Self::CALLBACK, "--json"];
        let added = scene.ctl(&add).success().json();
        let secret = added["client_secret"].as_str().unwrap().to_owned();
        Self { scene, base: format!("http://{listen}"), listen, secret }
    }

    /// Opens a gateway whose account is signed in.
    pub fn signed_in() -> Self {
        Self::new(Scene::memory(Behaviour::default()).signed_in())
    }

    /// Adds a public client.
    pub fn add_public(&self, name: &str) {
        let added =
            self.scene.ctl(&["gateway", "add", name, "--public", "--redirect-uri", Self::CALLBACK, "--json"]);
        assert_eq!(added.success().json().get("client_secret"), None);
    }

    /// The URL of a path at the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The authorization URL with these parameters.
    pub fn authorization_url(&self, parameters: &[(&str, &str)]) -> String {
        let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.url(&format!("/oauth2/authorize?{query}"))
    }

    /// The authorization URL of `client`.
    pub fn question_url(&self, client: &str) -> String {
        self.authorization_url(&[
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", Self::CALLBACK),
            ("state", "st/1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
    }

    /// The answer to an authorization request.
    pub fn authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        http::get(&self.authorization_url(parameters), None).unwrap()
    }

    /// The page that asks the user about `client`, or the redirect if there is no question.
    pub fn question(&self, client: &str) -> Answer {
        http::get(&self.question_url(client), None).unwrap()
    }

    /// Sends the form of `page` with the user's decision: `allow` or `deny`.
    pub fn decide(&self, page: &Answer, decision: &str) -> Answer {
        let form = [("id", question_id(page)), ("decision", decision)];
        http::post_with(&self.url("/oauth2/authorize"), &[("Origin", &self.base)], &form).unwrap()
    }

    /// Opens an authorization URL, and allows access if the page asks. Returns the redirect.
    pub fn answer(&self, url: &str) -> Answer {
        let page = http::get(url, None).unwrap();
        if page.status == 200 { self.decide(&page, "allow") } else { page }
    }

    /// A code for `client`.
    pub fn code(&self, client: &str) -> String {
        parameter(&self.answer(&self.question_url(client)), "code")
    }

    /// A request to the token endpoint.
    pub fn token(&self, form: &[(&str, &str)]) -> Answer {
        http::post(&self.url("/oauth2/token"), None, form).unwrap()
    }

    /// A request to the token endpoint by `postman`.
    pub fn token_as_postman(&self, form: &[(&str, &str)]) -> Answer {
        self.token(&[form, &[("client_id", "postman"), ("client_secret", &self.secret)]].concat())
    }

    /// A request to the token endpoint with these credentials in a header (RFC 6749, section 2.3.1).
    pub fn token_by_basic(&self, name: &str, secret: &str, form: &[(&str, &str)]) -> Answer {
        let header = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{secret}")));
        http::post(&self.url("/oauth2/token"), Some(&header), form).unwrap()
    }

    /// Redeems a code as `postman`.
    pub fn redeem(&self, code: &str) -> Answer {
        self.token_as_postman(&redemption(code))
    }

    /// Refreshes as `postman`.
    pub fn refresh(&self, handle: &str) -> Answer {
        self.token_as_postman(&[("grant_type", "refresh_token"), ("refresh_token", handle)])
    }

    /// An access token and a refresh token of `postman`.
    pub fn tokens(&self) -> (String, String) {
        let answer = json(&self.redeem(&self.code("postman")), 200);
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }
}

/// The parameters of a token request with this code, without the client's credentials.
pub fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", Gateway::CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

/// The ID of the question on `page`.
pub fn question_id(page: &Answer) -> &str {
    page.text.split_once("name=\"id\" value=\"").unwrap().1.split_once('"').unwrap().0
}

/// A parameter of the redirect to the callback.
pub fn parameter(redirect: &Answer, name: &str) -> String {
    assert_eq!(redirect.status, 303, "{}", redirect.text);
    let to = Url::parse(redirect.header("location").unwrap()).unwrap();
    assert!(to.as_str().starts_with(Gateway::CALLBACK), "{to}");
    let value = to.query_pairs().find(|(known, _)| known == name);
    value.unwrap_or_else(|| panic!("{name} in {to}")).1.into_owned()
}

/// The JSON of an answer with this status. The answer must forbid caching.
pub fn json(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_str(&answer.text).unwrap()
}
