//! Pages of imgurd in a real browser.

use url::form_urlencoded::Serializer;

use crate::chromium::Chromium;
use crate::fake::{Behaviour, Fake};
use crate::testbed::{Daemon, Testbed, free_port};

/// The width of the window, in pixels.
const WIDTH: u32 = 640;

/// A daemon with the account `me`, signed in.
fn begin() -> (Testbed, Fake, Daemon) {
    let bed = Testbed::memory();
    let fake = Fake::start(Behaviour::default());
    let daemon = bed.daemon();
    bed.account(&fake, "me");
    (bed, fake, daemon)
}

/// The last page of a sign-in.
pub(super) fn signed_in() -> Vec<u8> {
    let (bed, _fake, _daemon) = begin();
    let mut login = bed.ctl_spawn(&["login", "--no-browser"]);
    let browser = Chromium::start(&bed);
    browser.open(&login.line().expect("the URL is the first line"));
    browser.press("allow");
    browser.wait_for_heading("Signed in");
    login.finish().success();
    browser.screenshot(WIDTH)
}

/// The page on which the gateway asks the user.
pub(super) fn gateway() -> Vec<u8> {
    let (bed, fake, _daemon) = begin();
    bed.sign_in(&fake, "me");
    let (listen, callback) = (format!("127.0.0.1:{}", free_port()), "https://oauth.pstmn.io/v1/callback");
    bed.ctl(&["gateway", "on", "--listen", &listen]).success();
    bed.ctl(&["gateway", "add", "postman", "--redirect-uri", callback]).success();
    let request =
        [("response_type", "code"), ("client_id", "postman"), ("redirect_uri", callback), ("state", "any")];
    let query = Serializer::new(String::new()).extend_pairs(request).finish();
    let browser = Chromium::start(&bed);
    browser.open(&format!("http://{listen}/oauth2/authorize?{query}"));
    browser.screenshot(WIDTH)
}
