//! The clocks of the simulated machine: a monotonic one, and the wall clock.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::world::Shared;
use crate::clock::Clock;
use crate::grant::Timestamp;

pub(super) const EPOCH: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Time since the simulation began, over all lives of the daemon.
#[derive(Default)]
pub(super) struct Time {
    life_began: Option<Instant>,
    before: Duration,
    asleep: Duration,
    booted: Duration,
    /// How far the wall clock is ahead of the truth, in milliseconds.
    pub(super) offset: i64,
    set: Arc<Notify>,
    resumed: Arc<Notify>,
}

impl Time {
    pub(super) fn begin_life(&mut self) {
        self.life_began = Some(Instant::now());
    }

    pub(super) fn end_life(&mut self) {
        self.before = self.awake();
        self.life_began = None;
    }

    /// The time that tasks see; suspend does not count.
    pub(super) fn awake(&self) -> Duration {
        self.before + self.life_began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// The time of the server's clock.
    pub(super) fn truth(&self) -> Duration {
        self.awake() + self.asleep
    }

    pub(super) fn wall(&self) -> Timestamp {
        let truth = i64::try_from(self.truth().as_millis()).unwrap();
        Timestamp::from_millis(EPOCH.as_millis() + truth + self.offset)
    }

    pub(super) fn reboot(&mut self) {
        self.booted = self.truth();
    }

    pub(super) fn suspend(&mut self, span: Duration) {
        self.asleep += span;
        self.resumed.notify_waiters();
    }

    /// Sets the wall clock.
    pub(super) fn set(&mut self, offset: i64) {
        self.offset = offset;
        self.set.notify_waiters();
    }
}

/// The simulated machine's clock, as the keeper sees it.
pub(super) struct SimulatedClock(pub(super) Shared);

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().time.wall()
    }

    fn uptime(&self) -> Duration {
        let world = self.0.lock().unwrap();
        world.time.truth().saturating_sub(world.time.booted)
    }

    fn sleep_until(&self, deadline: Option<Timestamp>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let (set, resumed) = {
                    let world = self.0.lock().unwrap();
                    (world.time.set.clone(), world.time.resumed.clone())
                };
                let (set, resumed) = (set.notified(), resumed.notified());
                let pause = deadline.map_or(Duration::from_hours(24 * 365), |at| at.since(self.now()));
                if pause.is_zero() {
                    return;
                }
                tokio::select! {
                    biased;
                    () = set => return,
                    () = resumed => {}
                    () = sleep(pause) => {}
                }
            }
        })
    }
}

/// The milliseconds in which something may happen. Answers from outside and actions of callers and the user never
/// fall into the same one, so that their order is always clear.
#[derive(Clone, Copy)]
pub(super) enum Parity {
    Even,
    Odd,
}

/// Waits for `pause`, and up to a millisecond more.
pub(super) async fn pass(world: &Shared, pause: Duration, parity: Parity) {
    let awake = world.lock().unwrap().time.awake();
    let target = u64::try_from((awake + pause).as_millis()).unwrap();
    let target = match parity {
        Parity::Even => target + target % 2,
        Parity::Odd => target + 1 - target % 2,
    };
    let rest = Duration::from_millis(target).saturating_sub(awake);
    sleep_until(Instant::now() + rest).await;
}
