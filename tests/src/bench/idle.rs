//! The cost of an idle daemon.

use std::mem;
use std::time::{Duration, Instant};

use super::Extent;
use super::figure::{Figure, Unit};
use super::process::{Memory, Threads};
use super::site::{as_the_service, server};
use super::table::{Goal, Row};
use crate::soak::pass;
use crate::testbed::{Bus, Keyring, Scene, Testbed};

/// An idle daemon on the bus, after a refresh over TLS.
pub(super) struct Idle {
    // Fields drop in order: the daemon ends before its keyring and its bus.
    scene: Scene,
    _keyring: Option<Keyring>,
    _bus: Bus,
    store: &'static str,
    begun: Instant,
    threads: Threads,
}

impl Idle {
    /// With the file store.
    pub(super) fn file() -> Self {
        Self::new(Testbed::file(), "file", false)
    }

    /// With the desktop's keyring.
    pub(super) fn keyring() -> Self {
        Self::new(Testbed::new(), "keyring", true)
    }

    fn new(bed: Testbed, store: &'static str, has_keyring: bool) -> Self {
        as_the_service(&bed);
        let bus = bed.bus();
        let keyring = has_keyring.then(|| {
            let mut keyring = bed.keyring();
            keyring.start(&bed);
            keyring
        });
        let mut scene = Scene::new(bed, server());
        scene.over_tls();
        // Restart, so that the preparation does not count.
        scene.restart();
        let mut scene = scene.imported();
        scene.refresh();
        // Wait until the blocking threads have ended.
        let deadline = Instant::now() + Duration::from_secs(30);
        let id = scene.daemon().id();
        let mut threads = Threads::of(id);
        loop {
            pass(Duration::from_secs(2));
            let now = Threads::of(id);
            if now == mem::replace(&mut threads, now.clone()) || Instant::now() > deadline {
                break;
            }
        }
        Self { scene, _keyring: keyring, _bus: bus, store, begun: Instant::now(), threads }
    }

    /// The daemon's memory.
    pub(super) fn memory(&mut self) -> Vec<Row> {
        let memory = Memory::of(self.scene.daemon().id());
        let what = format!("idle after a refresh over TLS, {} store", self.store);
        let most = |bytes| Goal::most(bytes, Unit::Bytes);
        let anonymous = if self.store == "file" { most(0.85e6) } else { Goal::Open };
        vec![
            Row::alone(format!("{what}: PSS"), Figure::once(memory.pss, Unit::Bytes), most(5e6)),
            Row::alone(format!("{what}: anonymous"), Figure::once(memory.anonymous, Unit::Bytes), anonymous),
        ]
    }

    /// The number of wake-ups during the idle time.
    pub(super) fn wake_ups(mut self, extent: Extent) -> Row {
        pass(extent.idle.saturating_sub(self.begun.elapsed()));
        #[expect(clippy::cast_precision_loss, reason = "there are few, if any")]
        let wake_ups = Threads::of(self.scene.daemon().id()).wake_ups_since(&self.threads) as f64;
        let what = format!("wake-ups in {} s without a caller, {} store", extent.idle.as_secs(), self.store);
        Row::alone(what, Figure::once(wake_ups, Unit::Times), Goal::most(0.0, Unit::Times))
    }
}
