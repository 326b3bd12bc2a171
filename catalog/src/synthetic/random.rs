//! Random numbers that are the same everywhere: `SplitMix64` (Steele, Lea and Flood 2014),
//! with a stream of its own for every piece of sky.

/// What the state advances by: 2^64 over the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
    /// The second of a pair of normal numbers.
    spare: Option<f64>,
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Bits of their own for each key and salt, without a stream: a value is the same whatever else is
/// asked of a row.
pub(super) fn hash(key: u64, salt: u64) -> u64 {
    mix(key.wrapping_add(salt.wrapping_mul(STEP) | 1))
}

/// From 0 on and below 1.
pub(super) fn chance(key: u64, salt: u64) -> f64 {
    unit(hash(key, salt))
}

/// Of mean 0 and variance 1, and never beyond 3.5: four uniform numbers together, which need no
/// logarithm.
pub(super) fn noise(key: u64, salt: u64) -> f64 {
    let bits = hash(key, salt);
    let quarter = |at: u32| (bits >> (16 * at)) & 0xffff;
    let sum = quarter(0) + quarter(1) + quarter(2) + quarter(3);
    let sum = f64::from(u32::try_from(sum).unwrap_or(0));
    (sum / 65_536.0 - (2.0 - 2.0 / 65_536.0)) * 1.732_050_807_568_877_2
}

/// A salt for each name, by Fowler, Noll and Vo's hash.
pub(super) fn salt(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn unit(bits: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let numerator = (bits >> 11) as f64;
    numerator / STEPS
}

impl Random {
    /// The stream that these numbers name.
    pub(super) fn new(seed: u64, name: &[u64]) -> Self {
        let state = name.iter().fold(mix(seed ^ STEP), |state, part| {
            mix(state ^ mix(part.wrapping_add(1).wrapping_mul(STEP)))
        });
        Self { state, spare: None }
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// From 0 on and below 1.
    pub(super) fn uniform(&mut self) -> f64 {
        unit(self.bits())
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// From 0 on and below `count`, which is small beside 2^64.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(count);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Of mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }

    /// Of mean 0 and variance 1, by Box and Muller's transform.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (2.0 * self.exponential()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, chance, noise};

    #[test]
    fn moments_are_as_they_should_be() {
        let mut random = Random::new(1, &[2, 3]);
        let count = 200_000;
        let mut sums = [0.0; 5];
        for _ in 0..count {
            let normal = random.normal();
            let values = [random.uniform(), random.exponential(), normal, normal * normal];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
            sums[4] += f64::from(u32::try_from(random.below(10)).unwrap());
        }
        for (sum, mean) in sums.iter().zip([0.5, 1.0, 0.0, 1.0, 4.5]) {
            assert!((sum / f64::from(count) - mean).abs() < 0.03, "{sums:?}");
        }
    }

    #[test]
    fn keyed_numbers_have_their_moments_too() {
        let count = 100_000_u32;
        let keys = || (0..u64::from(count)).map(|key| super::hash(key, 77));
        let mean = |of: fn(u64) -> f64| keys().map(of).sum::<f64>() / f64::from(count);
        assert!((mean(|key| chance(key, 5)) - 0.5).abs() < 0.01);
        assert!(mean(|key| noise(key, 6)).abs() < 0.02);
        assert!((mean(|key| noise(key, 6).powi(2)) - 1.0).abs() < 0.02);
        assert!(mean(|key| noise(key, 6) * noise(key, 7)).abs() < 0.02);
    }

    #[test]
    fn streams_differ() {
        let first = |seed, name: &[u64]| Random::new(seed, name).bits();
        let firsts = [first(1, &[0]), first(2, &[0]), first(1, &[1]), first(1, &[0, 0])];
        for (at, bits) in firsts.iter().enumerate() {
            assert!(!firsts[..at].contains(bits));
        }
        assert_eq!(first(1, &[7]), first(1, &[7]));
    }
}
