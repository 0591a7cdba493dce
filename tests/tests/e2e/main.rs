//! End-to-end tests with the real daemon and the real client.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in the functions it shares as well")]

mod access;
mod attacks;
mod bench;
mod browser;
mod browser_launch;
mod callback;
mod chaos;
mod clock_changes;
mod commands;
mod completion;
mod consent;
mod containers;
mod crowd;
mod dbus;
mod disk;
mod doctor;
mod durability;
mod failures;
mod files;
mod gateway;
mod grants;
mod hostile;
mod identity;
mod imports;
mod journal;
mod keyring;
mod lifecycle;
mod manual;
mod memory;
mod network;
mod notify;
mod one_callback;
mod orders;
mod overload;
mod refresh;
mod refusal;
mod secrets;
mod sentences;
mod sleep;
mod soak;
mod stalled_log;
mod standards;
mod store;
mod tokens;
mod tools;
mod unit;
mod users;
mod wire;
mod wrong_clock;

use std::time::{Duration, SystemTime};

use imgurd_proto::State;
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::Scene;

/// Longer than any test.
const HOUR: Duration = Duration::from_hours(1);

/// A server whose tokens expire after a second. imgurd does not refresh such tokens ahead of time.
fn momentary() -> Behaviour {
    Behaviour { lifetime: Duration::from_secs(1), ..Behaviour::default() }
}

/// Waits until the token of a [`momentary`] server has expired. The next token lives for an hour.
fn expired(scene: Scene) -> Scene {
    scene.wait_until(|account| account.state == State::Stale);
    scene.fake.configure(|behaviour| behaviour.lifetime = HOUR);
    scene
}

/// Unix time in seconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
