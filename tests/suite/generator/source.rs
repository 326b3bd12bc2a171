//! What stands in FROM: tables, derived tables, WITH names, and joins of them.

use super::Generator;
use super::phrase::{Kind, Phrase, Value};
use super::select::Block;
use super::tables::TABLES;

/// Joins are made of so many pairs of rows at most.
const PAIRS_MAX: f64 = 60_000.0;

/// Which part of the sky positions lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sky {
    Whole,
    /// Around RA 315, Dec -47.
    Patch,
}

/// Two columns that say where a row is.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) lon: Phrase,
    pub(crate) lat: Phrase,
    pub(crate) sky: Sky,
}

/// Something that has rows.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) from: Phrase,
    pub(crate) columns: Vec<Value>,
    pub(crate) positions: Vec<Position>,
    /// No two rows have the same values of these; none are known where it is empty.
    pub(crate) key: Vec<Phrase>,
    /// About so many rows.
    pub(crate) rows: f64,
}

impl Block {
    /// The block by the name of a derived table or of WITH.
    fn under(&self, alias: &str, from: Phrase) -> Source {
        let column = |at: usize| Phrase::same(format!("{alias}.{}", self.names[at]));
        let position = |(lon, lat, sky): &(usize, usize, Sky)| Position {
            lon: column(*lon),
            lat: column(*lat),
            sky: *sky,
        };
        let columns = self.values.iter().enumerate();
        Source {
            from,
            columns: columns.map(|(at, value)| value.named(column(at))).collect(),
            positions: self.positions.iter().map(position).collect(),
            key: self.key.iter().map(|at| column(*at)).collect(),
            rows: self.rows,
        }
    }
}

impl Generator {
    /// A table of the folder.
    pub(crate) fn table(&mut self) -> Source {
        let table = self.dice.one(TABLES);
        let alias = self.alias("t");
        table.under(&alias)
    }

    /// What is no join.
    pub(crate) fn single(&mut self, depth: usize) -> Source {
        if !self.named.is_empty() && self.dice.percent(50) {
            let (name, block) = self.dice.one(&self.named).clone();
            let alias = self.alias("v");
            return block.under(&alias, Phrase::same(format!("{name} AS {alias}")));
        }
        if depth > 0 && self.dice.percent(25) {
            let block = self.block(depth - 1);
            let alias = self.alias("d");
            let from = Phrase::of("({0}) AS {1}", &[&block.text, &Phrase::same(&alias)]);
            return block.under(&alias, from);
        }
        self.table()
    }

    /// Anything that has rows.
    pub(crate) fn source(&mut self, depth: usize) -> Source {
        let first = match self.dice.integer(0, 99) {
            0..50 => return self.single(depth),
            50..58 => return self.merged(),
            58..80 => self.joined_by_values(depth),
            _ => self.joined_by_position(depth),
        };
        let Some(first) = first else { return self.single(depth) };
        if self.dice.percent(20) {
            let other = self.table();
            return self.joined(&first, &other).unwrap_or(first);
        }
        first
    }

    fn joined_by_values(&mut self, depth: usize) -> Option<Source> {
        let (a, b) = (self.single(depth), self.single(depth));
        self.joined(&a, &b)
    }

    /// A join by equal values of columns that have some in common.
    fn joined(&mut self, a: &Source, b: &Source) -> Option<Source> {
        let mut pairs = Vec::new();
        for left in a.columns.iter().filter(|column| column.distinct > 0.0) {
            for right in b.columns.iter().filter(|column| column.distinct > 0.0) {
                let distinct = left.distinct.max(right.distinct);
                if left.domain == right.domain && a.rows * b.rows / distinct <= PAIRS_MAX {
                    pairs.push((left, right, distinct));
                }
            }
        }
        if pairs.is_empty() {
            return None;
        }
        let (left, right, distinct) = *self.dice.one(&pairs);
        let mut on = match self.dice.integer(0, 9) {
            0 if left.kind() == Kind::Integer => {
                Phrase::of("{0} + 1 = {1}", &[&left.phrase, &right.phrase])
            }
            1 => Phrase::of("{1} = {0}", &[&left.phrase, &right.phrase]),
            _ => Phrase::of("{0} = {1}", &[&left.phrase, &right.phrase]),
        };
        let columns = [a.columns.as_slice(), &b.columns].concat();
        let word = self.dice.weighted(&[(5, "JOIN"), (3, "LEFT"), (2, "RIGHT"), (2, "FULL")]);
        if self.dice.percent(30) {
            let more = self.plain_comparison(&columns);
            on = Phrase::of("{0} AND {1}", &[&on, &more]);
        }
        let rows = a.rows * b.rows / distinct;
        let kept = if word == "JOIN" { rows } else { rows.max(a.rows).max(b.rows) };
        Some(join(a, b, word, &on, kept))
    }

    /// A join by USING or NATURAL, whose common column has no table.
    fn merged(&mut self) -> Source {
        let sides = [self.with_objects(), self.with_objects()];
        let [(left, a), (right, b)] = sides.each_ref().map(|(from, others)| (from, others));
        let word = self.dice.weighted(&[(4, ""), (2, "LEFT "), (2, "RIGHT "), (2, "FULL OUTER ")]);
        let from = if self.dice.percent(50) {
            let join = format!("{{0}} {word}JOIN {{1}} USING (k)");
            Phrase::of(&join, &[left, right])
        } else {
            Phrase::of(&format!("{{0}} NATURAL {word}JOIN {{1}}"), &[left, right])
        };
        let mut columns = vec![a[0].named(Phrase::same("k"))];
        columns.extend(a[1..].iter().chain(&b[1..]).cloned());
        Source { from, columns, positions: Vec::new(), key: Vec::new(), rows: 2_000.0 }
    }

    /// A derived table with the identifiers of objects as `k`, and names for the rest that no other has.
    fn with_objects(&mut self) -> (Phrase, Vec<Value>) {
        let (inner, is_object) = loop {
            let table = self.table();
            let of_objects =
                |value: &Value| value.kind() == Kind::Integer && value.distinct == 131.0;
            if let Some(at) = table.columns.iter().position(of_objects) {
                break (table, at);
            }
        };
        let alias = self.alias("d");
        let condition = self.plain_comparison(&inner.columns);
        let others: Vec<Value> = self.dice.some(&inner.columns, 2).into_iter().cloned().collect();
        let mut items = vec![inner.columns[is_object].phrase.then(&Phrase::same("AS k"))];
        let mut values = vec![inner.columns[is_object].named(Phrase::same(format!("{alias}.k")))];
        for other in &others {
            let name = self.alias("c");
            items.push(other.phrase.then(&Phrase::same(format!("AS {name}"))));
            values.push(other.named(Phrase::same(format!("{alias}.{name}"))));
        }
        // At most some of the many detections of each object: their pairs are the square.
        let word = if inner.rows > 1_000.0 { "DISTINCT " } else { "" };
        if !word.is_empty() {
            items.truncate(1);
            values.truncate(1);
        }
        let parts = [&Phrase::list(&items, ", "), &inner.from, &condition, &Phrase::same(alias)];
        let template = format!("(SELECT {word}{{0}} FROM {{1}} WHERE {{2}}) AS {{3}}");
        (Phrase::of(&template, &parts), values)
    }

    /// All pairs by a list of tables, few enough of them.
    pub(crate) fn crossed(&mut self, a: &Source, b: &Source) -> Option<Source> {
        let rows = a.rows * b.rows;
        let word = if self.dice.percent(50) { "," } else { "CROSS JOIN" };
        (rows <= PAIRS_MAX).then(|| join(a, b, word, &Phrase::same(""), rows))
    }
}

/// A join of a kind; one by `,` or CROSS JOIN has no condition.
pub(crate) fn join(a: &Source, b: &Source, word: &str, on: &Phrase, rows: f64) -> Source {
    let template = match word {
        "," => "{0}, {1}",
        "CROSS JOIN" => "{0} CROSS JOIN {1}",
        "JOIN" => "{0} JOIN {1} ON {2}",
        "LEFT" => "{0} LEFT JOIN {1} ON {2}",
        "RIGHT" => "{0} RIGHT OUTER JOIN {1} ON {2}",
        _ => "{0} FULL JOIN {1} ON {2}",
    };
    let key = if a.key.is_empty() || b.key.is_empty() {
        Vec::new()
    } else {
        [a.key.as_slice(), &b.key].concat()
    };
    Source {
        from: Phrase::of(template, &[&a.from, &b.from, on]),
        columns: [a.columns.as_slice(), &b.columns].concat(),
        positions: [a.positions.as_slice(), &b.positions].concat(),
        key,
        rows,
    }
}
