//! Grants in files of other programs. imgurd takes the account's grant, and sends no other secret of the file.

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::Scene;

/// Files of other programs, with `<rt>` for a refresh token and `<id>` for the account's client ID.
const FILES: [&str; 9] = [
    "IMGUR_CLIENT_ID=<id>\nIMGUR_REFRESH_TOKEN=\"<rt>\"\n",
    "client_id: <id>\nrefresh_token: <rt>\n",
    "export CLIENT_ID='<id>' REFRESH=unused\nexport REFRESH_TOKEN='<rt>' # mine\n",
    "#access_token=&refresh_token=<rt>&client_id=<id>",
    // imgur-screenshot.
    "access_token=\"old\"\nrefresh_token=\"<rt>\"\ntoken_expire_time=\"1700000000\"\n",
    // ksnip.
    "[Application]\nX=1\n\n[Imgur]\nAccessToken=@ByteArray(old)\nClientId=<id>\nRefreshToken=@ByteArray(<rt>)\nUsername=alice\n",
    // Shutter.
    r#"{"client_id":"<id>","access_token":"old","refresh_token":"<rt>","account_username":"alice"}"#,
    // ShareX, with grants of three services.
    r#"{"ImgurOAuth2Info":{"Client_ID":"<id>","Token":{"access_token":"old","refresh_token":"<rt>"}},"DropboxOAuth2Info":{"Client_ID":"d","Token":{"refresh_token":"dropboxes"}},"OneDriveV2OAuth2Info":{"Client_ID":null,"Token":{"refresh_token":"onedrives"}}}"#,
    // A Postman collection with grants of three services.
    r#"{"item":[{"name":"Files","auth":{"oauth2":[{"key":"clientId","value":"d"},{"key":"refreshToken","value":"dropboxes"}]}},{"name":"Code","auth":{"oauth2":[{"key":"accessTokenUrl","value":"https://code.example/token"},{"key":"refreshToken","value":"codes"}]}},{"name":"Pictures","auth":{"oauth2":[{"key":"clientId","value":"<id>"},{"key":"refreshToken","value":"<rt>"}]}}]}"#,
];

fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

/// The refresh tokens that the token endpoint received.
fn sent(scene: &Scene) -> Vec<String> {
    let requests = scene.fake.requests(Endpoint::Token);
    requests.iter().filter_map(|request| request.refresh_token().map(str::to_owned)).collect()
}

#[test]
fn only_the_accounts_grant_is_taken_from_other_programs_files() {
    for file in FILES {
        let scene = scene();
        let (refresh, _) = scene.fake.issue_grant("alice");
        let file = file.replace("<rt>", &refresh).replace("<id>", &scene.fake.behaviour().client_id);
        let output = scene.ctl_with(&["import"], &file).success();
        assert!(output.stderr.contains("signed in as alice"), "{file}: {}", output.stderr);
        assert_eq!(sent(&scene), [refresh], "{file}");
        assert_eq!(scene.account().state, State::Fresh);
    }
}

#[test]
fn a_large_export_is_imported() {
    let scene = scene();
    let (refresh, _) = scene.fake.issue_grant("alice");
    let filler =
        r#"{"name":"a picture","request":{"method":"GET","url":"https://api.imgur.com/3/image/x"}},"#
            .repeat(4000);
    let file = format!(r#"{{"item":[{filler}{{"oauth2":[{{"key":"refreshToken","value":"{refresh}"}}]}}]}}"#);
    let file = format!("\u{feff}{file}");
    assert!(file.len() > 256 * 1024);
    scene.ctl_with(&["import"], &file).success();
    assert_eq!(sent(&scene), [refresh]);
}

#[test]
fn several_grants_need_a_choice_and_none_is_sent_before() {
    let scene = scene();
    let (refresh, _) = scene.fake.issue_grant("alice");
    let file = format!("[old]\nrefresh_token=spent\n[new]\nrefresh_token={refresh}\n");
    let refused = scene.ctl_with(&["import"], &file).exits(2);
    let said = refused.complaint();
    assert!(said.contains("1 = old, 2 = new") && said.contains("--pick"), "{said}");
    assert!(sent(&scene).is_empty());
    scene.ctl_with(&["import", "--pick", "3"], &file).exits(2);
    assert!(sent(&scene).is_empty());
    scene.ctl_with(&["import", "--pick", "2"], &file).success();
    assert_eq!(sent(&scene), [refresh]);
}

#[test]
fn a_grant_of_another_client_is_refused_by_name_and_not_sent() {
    let scene = scene();
    let refused = scene.ctl_with(&["import"], "[Files]\nclient_id=d\nrefresh_token=theirs\n").exits(2);
    assert!(
        refused.complaint().contains("client ID in the text is d, and the account's is "),
        "{}",
        refused.stderr
    );
    let refused = scene.ctl_with(&["import"], "DROPBOX_REFRESH_TOKEN=theirs").exits(2);
    assert!(refused.complaint().contains("another service's"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("theirs") && sent(&scene).is_empty());
}

#[test]
fn an_import_adds_a_new_account_with_the_files_client() {
    let scene = scene();
    let refused = scene.ctl_with(&["import", "new"], "refresh_token=alone").exits(3);
    assert!(refused.complaint().contains("imgurctl account add new"), "{}", refused.stderr);
    // The new account is one of Imgur's, and the test cannot reach Imgur. imgurd keeps the grant and retries.
    let file = r#"{"client_id":"0123456789abcde","client_secret":"fake","refresh_token":"kept"}"#;
    let output = scene.ctl_with(&["import", "new"], file).success();
    assert!(
        output.stderr.contains("Added new") && output.stderr.contains("not verified yet"),
        "{}",
        output.stderr
    );
    assert!(sent(&scene).is_empty());
    // The file has several clients. imgurd uses the chosen one.
    let file = "[one]\nclient_id=1\nrefresh_token=first\n[two]\nclient_id=2\nrefresh_token=second\n";
    scene.ctl_with(&["import", "other"], file).exits(2).complaint();
    scene.ctl_with(&["import", "other", "--pick", "2"], file).success();
}
