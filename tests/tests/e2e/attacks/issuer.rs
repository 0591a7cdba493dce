//! Servers that would get what another server was to get.

/// S8: the settings lead to another server, where the secret and the grant of the first would be sent.
mod settings {
    use imgurd_proto::State;
    use imgurd_tests::browser;
    use imgurd_tests::fake::{Behaviour, Endpoint, Fake};
    use imgurd_tests::testbed::Scene;

    fn scene() -> Scene {
        Scene::memory(Behaviour::default()).signed_in()
    }

    #[test]
    fn a_client_secret_goes_to_no_other_token_url() {
        let scene = scene();
        let other = Fake::start(Behaviour { callback: Some(scene.callback()), ..Behaviour::default() });
        let (auth_url, token_url) = (other.auth_url(), other.token_url());
        scene.ctl(&["account", "set", "--auth-url", &auth_url, "--token-url", &token_url]).success();
        let (login, url) = scene.login(&[]);
        browser::allow(&url, "mallory");
        let sent = &other.wait_for_requests(Endpoint::Token, 1)[0];
        assert!(!sent.form.contains_key("client_secret"), "the other server got the client secret");
        login.finish();

        let (auth_url, token_url) = (scene.fake.auth_url(), scene.fake.token_url());
        scene.ctl(&["account", "set", "--auth-url", &auth_url, "--token-url", &token_url]).success();
        assert!(scene.fake.is_live(&scene.refresh()), "the secret and the grant are back");
    }

    #[test]
    fn a_grant_goes_to_no_other_path_of_its_server() {
        let scene = scene();
        let asked = scene.fake.requests(Endpoint::Token).len();
        for url in
            [format!("{}/tenant/token", scene.fake.origin()), format!("{}?a=b", scene.fake.token_url())]
        {
            scene.ctl(&["account", "set", "--token-url", &url]).success();
            scene.ctl(&["refresh"]).exits(4);
            assert_eq!(scene.account().state, State::Empty);
        }
        assert_eq!(scene.fake.requests(Endpoint::Token).len(), asked, "the grant was sent elsewhere");
        scene.ctl(&["account", "set", "--token-url", &scene.fake.token_url()]).success();
        assert!(scene.fake.is_live(&scene.refresh()));
    }
}
