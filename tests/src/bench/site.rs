//! A daemon with its usual settings and a token, and no other load.

use std::path::PathBuf;
use std::time::Duration;

use imgurd_proto::State;

use crate::fake::Behaviour;
use crate::testbed::{ACCOUNT, Bus, Scene, Testbed};

/// A daemon with its server and, if asked for, a bus.
pub(super) struct Site {
    // Fields drop in order: the daemon ends before its bus.
    pub(super) scene: Scene,
    _bus: Option<Bus>,
}

impl Site {
    /// With the memory store.
    pub(super) fn memory() -> Self {
        Self::with(server())
    }

    /// The same, with this behaviour of the server.
    pub(super) fn with(behaviour: Behaviour) -> Self {
        Self::build(usual(), false, behaviour)
    }

    /// The same, on a bus.
    pub(super) fn on_the_bus() -> Self {
        Self::build(usual(), true, server())
    }

    /// In this testbed, with its environment.
    pub(super) fn new(bed: Testbed) -> Self {
        Self::build(bed, false, server())
    }

    fn build(bed: Testbed, has_bus: bool, behaviour: Behaviour) -> Self {
        let bus = has_bus.then(|| bed.bus());
        let scene = Scene::new(bed, behaviour).imported();
        Self { scene, _bus: bus }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.scene.bed.socket()
    }
}

fn usual() -> Testbed {
    let bed = Testbed::memory();
    as_the_service(&bed);
    bed
}

/// The unit's template.
const UNIT: &str = include_str!("../../../systemd/imgurd.service.in");

/// The unit's environment for the daemon, with the default log level instead of the tests'.
pub(super) fn service_environment() -> Vec<(&'static str, &'static str)> {
    let lines = UNIT.lines().filter_map(|line| line.strip_prefix("Environment="));
    lines.filter_map(|line| line.split_once('=')).chain([("RUST_LOG", "info")]).collect()
}

/// Lets the daemon run in the environment of the service.
pub(super) fn as_the_service(bed: &Testbed) {
    for (name, value) in service_environment() {
        bed.set_env(name, value);
    }
}

/// A server whose tokens outlive the run.
pub(super) fn server() -> Behaviour {
    Behaviour { lifetime: Duration::from_hours(24 * 28), ..Behaviour::default() }
}

/// Adds an account with a fresh token.
pub(super) fn add(scene: &Scene, name: &str) {
    scene.bed.account(&scene.fake, name);
    let (refresh_token, _) = scene.fake.issue_grant(name);
    scene.bed.ctl_with(&["import", name], &refresh_token).success();
    scene.bed.wait_until(name, |account| account.state == State::Fresh);
}

pub(super) const NAME: &str = ACCOUNT;
