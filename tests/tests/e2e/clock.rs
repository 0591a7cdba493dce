//! Clocks that somebody sets while the daemon runs, and clocks that differ from the server's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, PATIENCE};
use imgurd_tests::testbed::{Scene, Testbed};
use serde_json::Value;

/// A wall clock in a test's hand. Only the wall clock: faking the monotonic one hangs the runtime.
struct Clock(PathBuf);

impl Clock {
    /// The clock of all processes that start in these directories from now on.
    fn of(bed: &Testbed) -> Self {
        let clock = Self(bed.root().join("clock"));
        clock.set("+0");
        bed.set_env("LD_PRELOAD", library());
        bed.set_env("FAKETIME_TIMESTAMP_FILE", clock.0.clone());
        bed.set_env("FAKETIME_NO_CACHE", "1");
        bed.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        clock
    }

    fn set(&self, time: &str) {
        // At once and whole: it is read at any time.
        let new = self.0.with_added_extension("new");
        fs::write(&new, format!("{time}\n")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }
}

fn library() -> PathBuf {
    let libraries = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let library = libraries.join("faketime/libfaketime.so.1");
    assert!(library.exists(), "libfaketime is installed (Debian: faketime)");
    library
}

fn scene(behaviour: Behaviour) -> (Scene, Clock) {
    let bed = Testbed::file();
    let clock = Clock::of(&bed);
    (Scene::new(bed, behaviour).signed_in(), clock)
}

#[test]
fn a_clock_that_jumps_in_either_direction_costs_no_token_and_no_request() {
    let (scene, clock) = scene(Behaviour::default());
    let token = scene.token();
    let expires_at = scene.account().expires_at.unwrap();
    for (time, days) in [("+1d", 1), ("-2d", -2), ("+9000d", 9000), ("+0", 0)] {
        clock.set(time);
        assert_eq!(scene.token(), token, "{time}");
        let account = scene.account();
        assert_eq!(account.state, State::Fresh);
        let moved = account.expires_at.unwrap() - expires_at;
        assert!((moved - days * 86400).abs() <= 2, "{time}: {moved}");
    }
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn a_clock_that_is_set_back_makes_no_token_last_longer() {
    let (scene, clock) = scene(Behaviour { lifetime: Duration::from_secs(3), ..Behaviour::default() });
    let gate = scene.fake.hold(Endpoint::Token);
    let token = scene.token();
    clock.set("-1d");
    scene.ctl(&["status"]).success();
    // The server has the last word on how long it lasts.
    while scene.fake.is_live(&token) {
        std::thread::yield_now();
    }
    scene.ctl(&["token", "--wait", "0s"]).exits(6);
    gate.release();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_jump_survives_a_restart() {
    let (mut scene, clock) = scene(Behaviour::default());
    let token = scene.token();
    clock.set("+1d");
    scene.token();
    scene.wait_until(|account| account.state == State::Fresh && !account.unsaved);
    scene.restart();
    assert_eq!(scene.token(), token, "what was stored had moved along");
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn a_clock_that_differs_from_the_servers_shows_in_status() {
    let bed = Testbed::file();
    let clock = Clock::of(&bed);
    clock.set("+3h");
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let status = scene.ctl(&["status", "--json"]).success().stdout;
    let accounts: Value = serde_json::from_str(&status).unwrap();
    let skew = accounts["accounts"][0]["clock_skew_s"].as_i64().unwrap_or_else(|| panic!("{status}"));
    assert!((skew - 10800).unsigned_abs() <= PATIENCE.as_secs(), "{skew}");
    let table = scene.ctl(&["status"]).success().stdout;
    assert!(table.contains("clock is about") && table.contains("timedatectl"), "{table}");
}
