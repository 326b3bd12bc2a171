//! Random valid ADQL, and the same questions in DuckDB's SQL with the geometry written out.
//!
//! A query is put together of phrases that carry both languages, so that there is no translator that
//! could be wrong in the way of the engine. What has more than one right answer is not asked: rows
//! are cut only in an order that is total, nothing is compared, grouped or united by values whose
//! last digits depend on the order of a computation, and constants lie between the values of columns.

mod condition;
mod dice;
mod phrase;
mod position;
mod select;
mod source;
mod tables;
mod value;

use dice::Dice;
use phrase::{Phrase, Value};
use select::Block;
pub(crate) use tables::{UPLOAD, upload};

/// A query in both languages.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) seed: u64,
    pub(crate) adql: String,
    pub(crate) sql: String,
    /// ORDER BY determines the order of its rows.
    pub(crate) ordered: bool,
}

/// What a query consists of so far.
#[derive(Debug)]
struct Generator {
    dice: Dice,
    aliases: usize,
    /// The queries of WITH by their names.
    named: Vec<(String, Block)>,
}

impl Pair {
    /// The query of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut generator = Generator { dice: Dice::new(seed), aliases: 0, named: Vec::new() };
        let mut with = Vec::new();
        if generator.dice.percent(15) {
            for _ in 0..generator.dice.integer(1, 2) {
                let block = generator.block(1);
                let name = generator.alias("w");
                with.push(Phrase::of("{0} AS ({1})", &[&Phrase::same(&name), &block.text]));
                generator.named.push((name, block));
            }
        }
        let block = generator.block(2);
        let text = match with.as_slice() {
            [] => block.text,
            _ => Phrase::of("WITH {0} {1}", &[&Phrase::list(&with, ", "), &block.text]),
        };
        Self { seed, adql: text.adql, sql: text.sql, ordered: block.ordered }
    }
}

impl Generator {
    /// A name that no other part of the query has.
    fn alias(&mut self, letter: &str) -> String {
        self.aliases += 1;
        format!("{letter}{}", self.aliases)
    }

    /// One of the values that satisfy a condition, where there is one.
    fn choose<'a>(
        &mut self,
        values: &'a [Value],
        fits: impl Fn(&Value) -> bool,
    ) -> Option<&'a Value> {
        let fitting: Vec<&Value> = values.iter().filter(|value| fits(value)).collect();
        if fitting.is_empty() { None } else { Some(fitting[self.dice.below(fitting.len())]) }
    }
}
