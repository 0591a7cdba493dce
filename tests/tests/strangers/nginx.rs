//! nginx between the daemon and the fake. It compresses the answers of the token endpoint and the API, as many
//! servers do.

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Rotation};
use imgurd_tests::stranger::Nginx;
use imgurd_tests::testbed::{ACCOUNT, Scene};

#[test]
fn login_and_refresh_work_with_answers_compressed_by_nginx() {
    let scene = Scene::memory(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() });
    let mut nginx = Nginx::start(&scene.bed, scene.fake.address());
    let (token_url, api_url) = (nginx.url("/oauth2/token"), nginx.url("/3/"));
    let arguments = [
        "account",
        "set",
        ACCOUNT,
        "--token-url",
        &token_url,
        "--api-url",
        &api_url,
        "--client-secret-stdin",
    ];
    scene.ctl_with(&arguments, &scene.fake.behaviour().client_secret).success();
    let scene = scene.signed_in();
    nginx.expect("/oauth2/token 200 gzip");
    let mut token = scene.token();
    for _ in 0..2 {
        let new = scene.refresh();
        assert!(new != token && scene.fake.is_live(&new));
        nginx.expect("/oauth2/token 200 gzip");
        token = new;
    }
    assert_eq!(scene.account().state, State::Fresh);
    assert_eq!(scene.account().username, Some(scene.fake.behaviour().username));
}
