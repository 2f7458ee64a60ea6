//! Seeded random streams, one per purpose.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The random number generator of all streams. It is small and fast, and gives the same numbers on every platform.
pub type Random = Xoshiro256PlusPlus;

/// The random stream for this seed, purpose and number. Use a different purpose or number for each part of a program,
/// so that their streams are independent.
pub fn stream(seed: u64, purpose: &str, number: u64) -> Random {
    // FNV-1a hash of the purpose: stable across builds, unlike the standard library's hashers.
    let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut key = [0u8; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, hash, number, seed ^ hash.rotate_left(32)]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    // xoshiro's state should not be sparse, so its four words are scrambled first.
    let mut scrambler = rand_xoshiro::SplitMix64::seed_from_u64(seed ^ hash ^ number.rotate_left(17));
    for part in key.chunks_exact_mut(8) {
        let word =
            u64::from_le_bytes([part[0], part[1], part[2], part[3], part[4], part[5], part[6], part[7]]);
        let scrambled = word ^ rand::Rng::next_u64(&mut scrambler);
        part.copy_from_slice(&scrambled.to_le_bytes());
    }
    Random::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn streams_repeat_and_differ_by_seed_purpose_and_number() {
        let draw = |seed, purpose, number| stream(seed, purpose, number).random::<u64>();
        assert_eq!(draw(1, "noise", 0), draw(1, "noise", 0));
        let all = [draw(1, "noise", 0), draw(2, "noise", 0), draw(1, "replay", 0), draw(1, "noise", 1)];
        for (index, a) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|b| a != b));
        }
    }
}
