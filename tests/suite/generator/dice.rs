//! Choices of a seed.

use tests::Random;

use super::phrase::{Domain, Phrase};

/// Throws that are the same for the same seed.
#[derive(Debug)]
pub(crate) struct Dice(Random);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// Yes, so often of 100 times.
    pub(crate) fn percent(&mut self, often: u32) -> bool {
        self.0.unit() * 100.0 < f64::from(often)
    }

    /// One of the numbers from `low` to `high`.
    pub(crate) fn integer(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low + 1) as f64;
        // The product is less than the span, of which a double holds every value here.
        #[expect(clippy::cast_possible_truncation, reason = "cut to the whole number below")]
        let step = (self.0.unit() * span) as i64;
        (low + step).min(high)
    }

    /// One of the numbers below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let last = i64::try_from(count).expect("a short list") - 1;
        usize::try_from(self.integer(0, last)).expect("not negative")
    }

    pub(crate) fn float(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.unit()
    }

    /// One of a list.
    pub(crate) fn one<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// A choice by weights.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(u32, T)]) -> T {
        let whole: u32 = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.0.unit() * f64::from(whole);
        for (weight, choice) in choices {
            left -= f64::from(*weight);
            if left < 0.0 {
                return *choice;
            }
        }
        choices[choices.len() - 1].1
    }

    /// So many of a list at most, each once, in their order.
    pub(crate) fn some<'a, T>(&mut self, list: &'a [T], count: usize) -> Vec<&'a T> {
        let mut left = count.min(list.len());
        let mut chosen = Vec::new();
        for (at, item) in list.iter().enumerate() {
            if left > 0 && self.below(list.len() - at) < left {
                chosen.push(item);
                left -= 1;
            }
        }
        chosen
    }

    /// A constant of a domain; one with a fraction has more digits than any column here, so that no
    /// value is as near to it as the last digits of a computation.
    pub(crate) fn constant(&mut self, domain: Domain) -> Phrase {
        match domain {
            Domain::Integer(low, high) => Phrase::same(self.integer(low, high).to_string()),
            Domain::Float(low, high) => fraction(self.float(low, high)),
            Domain::Text(words) => Phrase::same(format!("'{}'", self.one(words))),
        }
    }
}

/// A number with a fraction: without an exponent it would be a DECIMAL to DuckDB.
pub(crate) fn fraction(number: f64) -> Phrase {
    let text = format!("{number:.7}");
    Phrase::apart(text.clone(), format!("{text}e0"))
}
