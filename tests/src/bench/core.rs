//! Assigns processes to cores.

use std::thread;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs `work` and all that it starts on one core. Caller and daemon take turns anyway, so this measures the work of
/// both. On two cores, the time to wake the other process would dominate and vary.
pub(super) fn on_one_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let pinned = || {
        let all = sched_getaffinity(None).expect("the kernel reports the allowed cores");
        let last =
            (0..CpuSet::MAX_CPU).rfind(|core| all.is_set(*core)).expect("at least one core is allowed");
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one).expect("a thread can restrict itself to an allowed core");
        work()
    };
    thread::scope(|scope| scope.spawn(pinned).join().expect("the work does not panic"))
}
