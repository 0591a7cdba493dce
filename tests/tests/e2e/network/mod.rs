//! Network problems, in a network for the test: imgurd keeps returning valid tokens, tells the user what to do, keeps the
//! grant, and recovers without help.

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

/// An unassigned name and address of a server (RFC 6761, section 6.2; RFC 5737).
const HOST: &str = "imgur.test";
const ADDRESS: &str = "198.51.100.7";

/// The proxy's.
const PROXY: &str = "198.51.100.8";
const PROXY_URL: &str = "http://person:s3cret@proxy.test:3128";
const PASSWORD: &str = "s3cret";

/// A daemon whose network is nothing but a way to the fake.
struct Wired {
    scene: Scene,
    network: Network,
    /// What lies on the way.
    relay: Relay,
    /// Whom the daemon trusts.
    authority: Authority,
}

impl Wired {
    /// The fake is where it says, at the end of a cable.
    fn cable(bed: Testbed) -> Self {
        Self::new(bed, |scene, network, _| {
            let listener = network.listen(scene.fake.address());
            Relay::start(listener, scene.fake.address(), Manner::Plain)
        })
    }

    /// The fake is [`HOST`], over https.
    fn https(bed: Testbed) -> Self {
        Self::new(bed, |scene, network, authority| {
            network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
            network.know(&[(ADDRESS, HOST)]);
            lead_to_host(scene, ACCOUNT);
            let manner = Manner::Tls(authority.server(HOST));
            Relay::start(network.listen(at(ADDRESS, 443)), scene.fake.address(), manner)
        })
    }

    /// The fake is [`HOST`], over https and behind a proxy, which alone knows where.
    fn proxied() -> Self {
        Self::proxied_by(Testbed::file(), PROXY_URL)
    }

    /// The same, with a proxy that is called so.
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

    /// Takes the network away from a daemon that is to reach [`HOST`].
    fn unplug(&mut self) {
        self.network.ip(&format!("addr del {ADDRESS}/32 dev lo"));
        self.network.down();
    }

    /// Brings it back.
    fn plug_in(&mut self) {
        self.network.up();
        self.network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
    }

    /// A refresh fails for a passing reason, and what is valid is served meanwhile.
    #[track_caller]
    fn meets(&self, why: &str) -> Account {
        let old = self.scene.token();
        self.scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
        let account = self.scene.wait_until(|account| account.state == State::Waiting);
        says(&account, why);
        assert_eq!(self.scene.token(), old);
        account
    }

    /// The account gets a new token without a call, for the refresh token that it had.
    #[track_caller]
    fn heals(&self) {
        self.scene.wait_until(|account| account.state == State::Fresh);
        assert!(self.scene.fake.is_live(&self.scene.token()));
    }

    /// It meets that, and once the way is `free` it heals.
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

/// The reason has `why` in it, and that there is nothing to do but wait.
#[track_caller]
fn says(account: &Account, why: &str) {
    let reason = account.reason.as_deref().unwrap_or_default();
    assert!(reason.contains(why) && reason.contains("retries automatically"), "{reason}");
}

fn lead_to_host(scene: &Scene, account: &str) {
    let url = format!("https://{HOST}/oauth2/token");
    // A client secret belongs to the token URL it was given for.
    let secret = scene.fake.behaviour().client_secret;
    let arguments = ["account", "set", account, "--token-url", &url, "--client-secret-stdin"];
    scene.ctl_with(&arguments, &secret).success();
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}
