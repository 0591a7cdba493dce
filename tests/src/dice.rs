//! Random choices that a seed can repeat.

use std::thread;
use std::time::Duration;

/// Random numbers: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// One of the choices.
    pub(crate) fn of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::try_from(self.below(N as u64)).unwrap()]
    }

    /// A duration below `longest`, in microseconds.
    pub(crate) fn span(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(longest.as_micros()).unwrap().max(1)))
    }

    /// Sleeps for less than `longest`.
    pub(crate) fn pause(&mut self, longest: Duration) {
        pass(self.span(longest));
    }
}

/// Sleeps. Use it only if the moment itself matters and there is no event to wait for.
#[expect(
    clippy::disallowed_methods,
    reason = "a random instant, the next call of a steady load, or that nothing happens, is no event"
)]
pub(crate) fn pass(span: Duration) {
    thread::sleep(span);
}
