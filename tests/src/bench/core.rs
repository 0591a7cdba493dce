//! Assigns processes to cores.

use std::thread;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs `work` and all that it starts on one core. Caller and daemon take turns anyway, so this measures the work of
/// both. On two cores, the time to wake the other process would dominate and vary.
pub(super) fn on_one_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let pinned = || {
        let all = sched_getaffinity(None).expect("the kernel tells");
        let last = (0..CpuSet::MAX_CPU).rfind(|core| all.is_set(*core)).expect("this one runs somewhere");
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one).expect("a core may be chosen among one's own");
        work()
    };
    thread::scope(|scope| scope.spawn(pinned).join().expect("it does not panic"))
}
