//! The confined service with the gateway. It cannot see which process has a connection.

use imgurd_tests::testbed::free_port;
use imgurd_tests::testbed::gateway::ALLOWS_ITSELF;

use super::home::Home;

#[test]
fn the_confined_gateway_refuses_an_allow_from_a_sandbox() {
    let Some(home) = Home::installed() else { return };
    let listen = format!("127.0.0.1:{}", free_port());
    home.ctl(&["init", "--store", "file"]).success();
    home.systemctl(&["restart", super::home::UNITS[0]]).success();
    home.ctl(&["account", "add", "me", "--client-id", "cid-of-a-test"]).success();
    home.ctl(&["gateway", "on", "--listen", &listen]).success();
    home.ctl(&["gateway", "add", "spa", "--public", "--redirect-uri", "https://spa.example/cb"]).success();
    // The challenge of RFC 7636, appendix B.
    let url = format!(
        "http://{listen}/oauth2/authorize?response_type=code&client_id=spa&code_challenge_method=S256&code_challenge=\
         E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
    let program = ["/usr/bin/python3", "-c", ALLOWS_ITSELF, &url];
    let sandbox = ["bwrap", "--die-with-parent", "--unshare-pid", "--dev-bind", "/", "/"];
    let inside = home.run(&[&sandbox[..], &program].concat()).success();
    assert_eq!(inside.line(), "400");
    assert_eq!(home.run(&program).success().line(), "200 303");
}
