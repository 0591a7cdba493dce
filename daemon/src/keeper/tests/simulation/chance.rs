//! Random numbers that a seed repeats on every machine and in every process.

use std::time::Duration;

/// A stream of random numbers (`SplitMix64`). Each part of the world has its own stream, so that they do not affect
/// each other.
pub(in crate::keeper::tests) struct Chance(u64);

impl Chance {
    pub(in crate::keeper::tests) fn new(seed: u64, stream: u64) -> Self {
        let mut chance = Self(seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F));
        chance.next();
        chance
    }

    pub(in crate::keeper::tests) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In 0..`end`.
    pub(in crate::keeper::tests) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(in crate::keeper::tests) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// In 0..1.
    pub(in crate::keeper::tests) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let numerator = (self.next() >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }

    pub(in crate::keeper::tests) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let last = u64::try_from(from.len()).unwrap();
        from[usize::try_from(self.below(last)).unwrap()]
    }

    /// Up to `longest`.
    pub(in crate::keeper::tests) fn span(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(u64::try_from(longest.as_millis()).unwrap()) + 1)
    }
}
