//! Network problems, in a network namespace of the test. imgurd keeps returning valid tokens, tells the user what to
//! do, keeps the grant, and recovers without help.

mod broken;
mod names;
mod offline;
mod proxy;
mod tls;

use std::net::{SocketAddr, TcpListener};

use imgurd_proto::{Account, State};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::relay::{Manner, Relay};
use imgurd_tests::testbed::{ACCOUNT, Network, Scene, Testbed};
use imgurd_tests::tls::Authority;

/// A host name and an address that are reserved for tests (RFC 6761, section 6.2; RFC 5737).
const HOST: &str = "imgur.test";
const ADDRESS: &str = "198.51.100.7";

/// The proxy's address.
const PROXY: &str = "198.51.100.8";
const PROXY_URL: &str = "http://person:s3cret@proxy.test:3128";
const PASSWORD: &str = "s3cret";

/// A daemon in a network whose only route leads to the fake Imgur.
struct Wired {
    scene: Scene,
    network: Network,
    /// The relay between the daemon and the fake Imgur.
    relay: Relay,
    /// The certificate authority that the daemon trusts.
    authority: Authority,
}

impl Wired {
    /// The daemon reaches the fake Imgur at its own address.
    fn cable(bed: Testbed) -> Self {
        Self::new(bed, |scene, network, _| {
            let listener = network.listen(scene.fake.address());
            Relay::start(listener, scene.fake.address(), Manner::Plain)
        })
    }

    /// The daemon reaches the fake Imgur as [`HOST`], over HTTPS.
    fn https(bed: Testbed) -> Self {
        Self::new(bed, |scene, network, authority| {
            network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
            network.know(&[(ADDRESS, HOST)]);
            lead_to_host(scene, ACCOUNT);
            let manner = Manner::Tls(authority.server(HOST));
            Relay::start(network.listen(at(ADDRESS, 443)), scene.fake.address(), manner)
        })
    }

    /// The daemon reaches the fake Imgur as [`HOST`], over HTTPS. Only the proxy knows its address.
    fn proxied() -> Self {
        Self::proxied_by(Testbed::file(), PROXY_URL)
    }

    /// The same, with this URL of the proxy.
    fn proxied_by(bed: Testbed, proxy: &str) -> Self {
        bed.set_env("HTTPS_PROXY", proxy);
        Self::new(bed, |scene, network, authority| {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let behind = server.local_addr().unwrap();
            Relay::start(server, scene.fake.address(), Manner::Tls(authority.server(HOST)));
            network.ip(&format!("addr add {PROXY}/32 dev lo"));
            network.know(&[(PROXY, "proxy.test")]);
            lead_to_host(scene, ACCOUNT);
            Relay::start(network.listen(at(PROXY, 3128)), behind, Manner::Proxy("200 Connection established"))
        })
    }

    fn new(bed: Testbed, way: impl FnOnce(&Scene, &mut Network, &Authority) -> Relay) -> Self {
        let authority = Authority::new(bed.root(), "trusted");
        bed.set_env("SSL_CERT_FILE", authority.certificate());
        let mut network = bed.network();
        let scene = Scene::new(bed, Behaviour::default());
        network.up();
        let relay = way(&scene, &mut network, &authority);
        Self { scene: scene.imported(), network, relay, authority }
    }

    /// Disconnects the network of a daemon whose server is [`HOST`].
    fn unplug(&mut self) {
        self.network.ip(&format!("addr del {ADDRESS}/32 dev lo"));
        self.network.down();
    }

    /// Connects the network again.
    fn plug_in(&mut self) {
        self.network.up();
        self.network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
    }

    /// Fails unless a refresh fails temporarily for this reason and imgurd still returns the valid token.
    #[track_caller]
    fn meets(&self, why: &str) -> Account {
        let old = self.scene.token();
        self.scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
        let account = self.scene.wait_until(|account| account.state == State::Waiting);
        says(&account, why);
        assert_eq!(self.scene.token(), old);
        account
    }

    /// Fails unless the account gets a valid token without a call.
    #[track_caller]
    fn heals(&self) {
        self.scene.wait_until(|account| account.state == State::Fresh);
        assert!(self.scene.fake.is_live(&self.scene.token()));
    }

    /// Fails unless a refresh first fails for this reason, and succeeds without a call after `free`.
    #[track_caller]
    fn survives(&mut self, why: &str, free: impl FnOnce(&mut Self)) {
        let old = self.scene.token();
        self.meets(why);
        free(self);
        self.heals();
        assert_ne!(self.scene.token(), old);
        let mut secrets = self.scene.fake.secrets();
        secrets.push(PASSWORD.to_owned());
        self.scene.bed.assert_no_secret_in_sight(&secrets, &[]);
    }
}

/// Fails unless the reason contains `why`, and says that imgurd retries.
#[track_caller]
fn says(account: &Account, why: &str) {
    let reason = account.reason.as_deref().unwrap_or_default();
    assert!(reason.contains(why) && reason.contains("retries automatically"), "{reason}");
}

fn lead_to_host(scene: &Scene, account: &str) {
    let url = format!("https://{HOST}/oauth2/token");
    // A client secret belongs to its token URL, so it has to be set again.
    let secret = scene.fake.behaviour().client_secret;
    let arguments = ["account", "set", account, "--token-url", &url, "--client-secret-stdin"];
    scene.ctl_with(&arguments, &secret).success();
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}
