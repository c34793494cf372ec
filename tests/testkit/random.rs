//! A pseudo-random generator for tests, SplitMix64 (Steele, Lea, Flood: "Fast splittable
//! pseudorandom number generators", 2014). The same seed gives the same sequence.

use std::env;
use std::time::SystemTime;

/// A sequence of pseudo-random choices.
pub struct Random(u64);

impl Random {
    /// Returns the seed from the environment variable `SELFHEAL_SEED` or, if it is not set, the
    /// current time in seconds.
    pub fn seed() -> u64 {
        let given = env::var("SELFHEAL_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        given.unwrap_or(now.as_secs())
    }

    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns a number below `limit`, which must be at least 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Returns true once in `n` calls on average.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Returns an index into a list of this length, which must be at least 1.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }

    /// Returns one element of a list, which must not be empty.
    pub fn choose<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    /// Returns `count` elements of a list in random order. If the list has fewer elements, returns
    /// all of them.
    pub fn draw<T>(&mut self, count: usize, mut all: Vec<T>) -> Vec<T> {
        (0..count.min(all.len())).map(|_| all.swap_remove(self.index(all.len()))).collect()
    }
}
