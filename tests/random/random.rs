//! A pseudo-random generator with a seed: SplitMix64 (Steele, Lea, Flood: Fast splittable
//! pseudorandom number generators, 2014).

use std::env;
use std::time::SystemTime;

/// A sequence of random choices.
pub struct Random(u64);

impl Random {
    /// Returns the seed in SELFHEAL_SEED, or the current time in seconds.
    pub fn seed() -> u64 {
        let given = env::var("SELFHEAL_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        given.unwrap_or(now.as_secs())
    }

    /// Starts the sequence of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Returns `true` with a probability of 1 in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Returns a random element.
    pub fn choose<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(u64::try_from(all.len()).unwrap())).unwrap()]
    }
}
