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
        const STEPS: f64 = (1_u64 << 53) as f64;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let numerator = (self.bits() >> 11) as f64;
        numerator / STEPS
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
    use super::Random;

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
    fn streams_differ() {
        let first = |seed, name: &[u64]| Random::new(seed, name).bits();
        let firsts = [first(1, &[0]), first(2, &[0]), first(1, &[1]), first(1, &[0, 0])];
        for (at, bits) in firsts.iter().enumerate() {
            assert!(!firsts[..at].contains(bits));
        }
        assert_eq!(first(1, &[7]), first(1, &[7]));
    }
}
