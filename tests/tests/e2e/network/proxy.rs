//! Proxies from environment variables.

use imgurd_tests::relay::{Manner, Relay};
use imgurd_tests::testbed::Testbed;

use super::{ADDRESS, HOST, PROXY, PROXY_URL, Wired, at};

#[test]
fn a_proxy_is_used_and_sees_no_secret() {
    let wired = Wired::proxied();
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    let seen = wired.relay.seen();
    assert!(seen.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{seen}");
    assert!(
        seen.contains("Basic cGVyc29uOnMzY3JldA=="),
        "the proxy gets the user and password of the variable"
    );
    for secret in wired.scene.fake.secrets() {
        assert!(!seen.contains(&secret), "the proxy saw a secret");
    }
}

#[test]
fn the_reason_names_a_proxy_that_requires_a_password() {
    refuses(
        "407 Proxy Authentication Required",
        "the proxy proxy.test:3128 requires a user name and a password",
    );
}

#[test]
fn the_reason_names_a_proxy_that_blocks_the_connection() {
    let why = format!("the proxy proxy.test:3128 blocked the connection to {HOST}");
    refuses("503 Service Unavailable", &why);
    refuses("403 Forbidden", &why);
}

#[test]
fn the_reason_names_a_proxy_whose_answer_never_ends() {
    for (begin, again) in
        [("HTTP/1.1 200 OK\r\n", "x-filler: aaaa\r\n"), ("", "HTTP/1.1 103 Early Hints\r\n\r\n")]
    {
        let mut wired = Wired::proxied();
        wired.relay.set(Manner::Flood(begin, again));
        let why = format!("the proxy proxy.test:3128 blocked the connection to {HOST}");
        wired.survives(&why, |wired| wired.relay.set(Manner::Proxy("200 OK")));
        assert!(wired.relay.longest() < 16 << 20, "{} bytes", wired.relay.longest());
    }
}

#[test]
fn a_proxys_user_name_and_password_are_never_shown() {
    let bed = Testbed::file();
    bed.set_env("RUST_LOG", "trace");
    let wired = Wired::proxied_by(bed, "http://fake-user:fake-p@ss@w0rd@proxy.test:3128");
    wired.relay.set(Manner::Proxy("407 Proxy Authentication Required"));
    wired.meets("the proxy proxy.test:3128 requires a user name and a password");
    for command in [&["status"][..], &["status", "--json"], &["doctor"], &["account", "show"], &["journal"]] {
        wired.scene.ctl(command);
    }
    wired.relay.set(Manner::Reset);
    wired.scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
    wired.scene.ctl(&["status"]).success();
    let parts = ["fake-user", "fake-p", "ss@", "w0rd"].map(str::to_owned);
    wired.scene.bed.assert_no_secret_in_sight(&parts, &[]);
}

#[track_caller]
fn refuses(status: &'static str, why: &str) {
    let mut wired = Wired::proxied();
    wired.relay.set(Manner::Proxy(status));
    wired.survives(why, |wired| wired.relay.set(Manner::Proxy("200 OK")));
}

#[test]
fn the_reason_names_a_proxy_that_is_down() {
    let mut wired = Wired::proxied();
    let back = format!("addr add {PROXY}/32 dev lo");
    wired.network.ip(&format!("addr del {PROXY}/32 dev lo"));
    let why = "no connection to the proxy proxy.test:3128: the network is down";
    wired.survives(why, |wired| wired.network.ip(&back));
    wired.network.know(&[(ADDRESS, HOST)]);
    wired.survives("the address of the proxy proxy.test:3128 was not found", |wired| {
        wired.network.know(&[(PROXY, "proxy.test")]);
    });
}

#[test]
fn hosts_in_no_proxy_are_reached_without_the_proxy() {
    let mut wired = Wired::https(with(&[("HTTPS_PROXY", PROXY_URL), ("NO_PROXY", "example.org,.test")]));
    let proxy = proxy(&mut wired);
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn loopback_servers_are_reached_without_the_proxy() {
    let mut wired = Wired::cable(with(&[("HTTP_PROXY", PROXY_URL), ("ALL_PROXY", PROXY_URL)]));
    let proxy = proxy(&mut wired);
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    assert_eq!(proxy.connections(), 0);
}

fn with(environment: &[(&str, &str)]) -> Testbed {
    let bed = Testbed::file();
    for (name, value) in environment {
        bed.set_env(name, value);
    }
    bed
}

/// A proxy that the test expects to stay unused.
fn proxy(wired: &mut Wired) -> Relay {
    wired.network.ip(&format!("addr add {PROXY}/32 dev lo"));
    wired.network.know(&[(ADDRESS, HOST), (PROXY, "proxy.test")]);
    let listener = wired.network.listen(at(PROXY, 3128));
    Relay::start(listener, wired.scene.fake.address(), Manner::Proxy("200 OK"))
}
