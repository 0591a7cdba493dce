//! What `imgurctl gateway`, `permit` and `journal` say about the gateway's clients and its address.

use std::fs;
use std::net::TcpListener;

use imgurd_tests::testbed::gateway::{Gateway, parameter};

#[test]
fn a_permit_for_an_unknown_client_is_refused() {
    let gateway = Gateway::signed_in();
    let refused = gateway.scene.ctl(&["permit", "allow", "gateway:nobody"]).exits(2);
    assert!(refused.stderr.contains("imgurctl gateway list"), "{}", refused.stderr);
}

#[test]
fn a_permit_that_applies_to_no_program_is_refused() {
    let gateway = Gateway::signed_in();
    for (name, likely) in [
        ("postman", "use gateway:postman"),
        ("gateway", "[access]"),
        ("sandboxed", "[access]"),
        ("unsandboxed", "[access]"),
        ("firefox", "imgurctl journal"),
        (" ", "imgurctl journal"),
        ("org.example.App ", "imgurctl journal"),
    ] {
        for verb in ["allow", "deny"] {
            let refused = gateway.scene.ctl(&["permit", verb, name]).exits(2);
            assert!(refused.stderr.contains(likely), "{name}: {}", refused.stderr);
        }
    }
    assert!(gateway.scene.ctl(&["permit", "list"]).success().stdout.is_empty());
}

#[test]
fn the_journal_names_a_gateway_client_as_permits_do() {
    let gateway = Gateway::signed_in();
    gateway.tokens();
    let journal = gateway.scene.ctl(&["journal"]).success().stdout;
    assert!(journal.contains(" gateway:postman "), "{journal}");
    let entry = gateway.scene.ctl(&["journal", "--json"]).success().json();
    gateway.scene.ctl(&["permit", "deny", entry["application"].as_str().unwrap()]).success();
    assert_eq!(parameter(&gateway.question("postman"), "error"), "access_denied");
}

#[test]
fn gateway_add_says_what_a_client_without_a_redirect_uri_can_do() {
    let gateway = Gateway::signed_in();
    gateway.scene.ctl(&["account", "add", "other", "--client-id", "cid-of-a-test"]).success();
    let named = gateway.scene.ctl(&["gateway", "add", "script", "other"]).success();
    assert!(named.stderr.contains("`imgurctl permit allow gateway:script other`"), "{}", named.stderr);
    let public = gateway.scene.ctl(&["gateway", "add", "app", "--public"]).success();
    assert!(!public.stderr.contains("client_credentials"), "{}", public.stderr);
    assert!(public.stderr.contains("`imgurctl gateway add app --redirect-uri URI`"), "{}", public.stderr);
}

#[test]
fn gateway_list_shows_which_clients_have_a_secret() {
    let mut gateway = Gateway::signed_in();
    gateway.add_public("spa");
    let config = fs::read_to_string(gateway.scene.bed.config_file()).unwrap();
    gateway.scene.bed.configure(&format!("{config}\n[gateway.clients.byhand]\n"));
    gateway.scene.daemon().reload();
    let listed = gateway.scene.ctl(&["gateway", "list", "--json"]).success().json();
    let clients = listed["clients"].as_array().unwrap();
    let secrets: Vec<_> =
        clients.iter().map(|it| (it["name"].as_str().unwrap(), it["has_secret"] == true)).collect();
    assert_eq!(secrets, [("byhand", false), ("postman", true), ("spa", false)]);
    let shown = gateway.scene.ctl(&["gateway", "list"]).success();
    assert!(shown.stdout.contains("missing") && shown.stdout.contains("no (PKCE)"), "{}", shown.stdout);
    assert!(shown.stderr.contains("`imgurctl gateway add byhand`"), "{}", shown.stderr);
}

#[test]
fn an_address_in_use_keeps_the_gateway_at_its_old_address() {
    let gateway = Gateway::signed_in();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    gateway.scene.ctl(&["gateway", "on", "--listen", &address]).exits(2);
    assert_eq!(gateway.question("postman").status, 200);
    let on = gateway.scene.ctl(&["gateway", "on"]).success();
    let on = [on.stdout, on.stderr].concat();
    assert!(on.contains(&gateway.listen), "the gateway keeps its address: {on}");
}

#[test]
fn the_gateway_and_a_callback_cannot_have_the_same_port() {
    let gateway = Gateway::signed_in();
    let callback = gateway.url("/callback");
    let refused = gateway.scene.ctl(&["account", "set", "--redirect-uri", &callback]);
    assert!(refused.complaint().contains("listen is the address of the callback"), "{refused:?}");
    assert_eq!(gateway.question("postman").status, 200);
}
