//! Conditions: comparisons, patterns, regions, sub-queries, and their connections.

use super::Generator;
use super::phrase::{Domain, Kind, Phrase, Value};
use super::source::Source;

const COMPARISONS: &[&str] =
    &["{0} < {1}", "{0} <= {1}", "{0} > {1}", "{0} >= {1}", "{0} <> {1}", "{1} > {0}"];

const PATTERNS: &[&str] =
    &["NGC0%", "%1_", "IC%", "%a%", "_G%", "N%4%", "%Nebula", "ngc7%", "G", "%", "7_1"];

impl Generator {
    /// A condition of WHERE; sub-queries stand in it where `depth` allows them.
    pub(crate) fn condition(&mut self, source: &Source, depth: usize) -> Phrase {
        match self.dice.integer(0, 9) {
            0 | 1 => self.connected("({0} AND {1})", source, depth),
            2 => self.connected("({0} OR {1})", source, depth),
            3 => Phrase::of("NOT ({0})", &[&self.predicate(source, depth)]),
            _ => self.predicate(source, depth),
        }
    }

    fn connected(&mut self, template: &str, source: &Source, depth: usize) -> Phrase {
        let sides = [self.predicate(source, depth), self.condition(source, depth)];
        Phrase::of(template, &[&sides[0], &sides[1]])
    }

    fn predicate(&mut self, source: &Source, depth: usize) -> Phrase {
        let asked = match self.dice.integer(0, 9) {
            0..3 if !source.positions.is_empty() => {
                let position = self.dice.one(&source.positions).clone();
                if self.dice.percent(30) {
                    let distance = self.distance(&position);
                    Some(self.compared(&distance))
                } else {
                    Some(self.within(&position))
                }
            }
            3 | 4 if depth > 0 => self.with_sub_query(source),
            5 | 6 => {
                let value = self.value(source);
                Some(self.compared(&value))
            }
            _ => None,
        };
        asked.unwrap_or_else(|| self.plain_comparison(&source.columns))
    }

    /// A condition on columns alone.
    pub(crate) fn plain_comparison(&mut self, columns: &[Value]) -> Phrase {
        let column = self.dice.one(columns).clone();
        let other = self
            .choose(columns, |other| other.exact && other.kind() == column.kind())
            .filter(|_| column.exact)
            .cloned();
        match other {
            Some(other) if self.dice.percent(15) && other.phrase != column.phrase => {
                let template = *self.dice.one(COMPARISONS);
                Phrase::of(template, &[&column.phrase, &other.phrase])
            }
            _ => self.compared(&column),
        }
    }

    /// A value compared with constants.
    pub(crate) fn compared(&mut self, value: &Value) -> Phrase {
        let mut constants = [(); 3].map(|()| self.dice.constant(value.domain));
        let text = value.kind() == Kind::Text;
        let template = match self.dice.integer(0, 11) {
            0 if self.dice.percent(30) => "{0} IS NULL",
            1 => "{0} IS NOT NULL",
            2 | 3 if !text => {
                order(value.domain, &mut constants);
                *self.dice.one(&["{0} BETWEEN {1} AND {2}", "{0} NOT BETWEEN {1} AND {2}"])
            }
            2..6 if text => return self.like(value),
            // No column has the digits of a constant with a fraction.
            4 if value.exact && value.kind() != Kind::Float => {
                *self.dice.one(&["{0} IN ({1}, {2}, {3})", "{0} NOT IN ({1}, {2})"])
            }
            6 if value.exact && value.kind() != Kind::Float => "{0} = {1}",
            _ => *self.dice.one(COMPARISONS),
        };
        Phrase::of(template, &[&value.phrase, &constants[0], &constants[1], &constants[2]])
    }

    fn like(&mut self, value: &Value) -> Phrase {
        let pattern = Phrase::same(format!("'{}'", self.dice.one(PATTERNS)));
        let template = *self.dice.one(&["{0} LIKE {1}", "{0} NOT LIKE {1}", "{0} ILIKE {1}"]);
        Phrase::of(template, &[&value.phrase, &pattern])
    }

    /// A condition by which few rows of a table are left.
    pub(crate) fn narrow(&mut self, source: &Source) -> Option<Phrase> {
        let column = self.choose(&source.columns, |value| value.distinct > 5.0)?.clone();
        let constants = [(); 2].map(|()| self.dice.constant(column.domain));
        Some(match column.domain {
            Domain::Integer(low, high) => {
                let first = self.dice.integer(low, high);
                let last = first + (high - low) / 20;
                let bounds = [first, last].map(|bound| Phrase::same(bound.to_string()));
                Phrase::of("{0} BETWEEN {1} AND {2}", &[&column.phrase, &bounds[0], &bounds[1]])
            }
            Domain::Text(_) if column.distinct > 1_000.0 => {
                Phrase::of("{0} LIKE '%12%'", &[&column.phrase])
            }
            _ => Phrase::of("{0} IN ({1}, {2})", &[&column.phrase, &constants[0], &constants[1]]),
        })
    }

    fn with_sub_query(&mut self, source: &Source) -> Option<Phrase> {
        match self.dice.integer(0, 9) {
            0..4 => self.membership(source),
            4..7 => self.existence(source),
            7 => self.existence_near(source),
            _ => self.against_aggregate(source),
        }
    }

    /// IN and NOT IN of a sub-query, whose elements may be NULL, and which may depend on the query
    /// around it.
    fn membership(&mut self, source: &Source) -> Option<Phrase> {
        let inner = self.table();
        let (outer, column) = self.common(source, &inner)?;
        let mut condition = self.condition(&inner, 0);
        if self.dice.percent(30) {
            let (same, other) = self.common(source, &inner)?;
            condition = Phrase::of("{0} = {1} AND {2}", &[&same, &other, &condition]);
        }
        let beside = self.condition(source, 0);
        let template = *self.dice.one(&[
            "{0} IN (SELECT {1} FROM {2} WHERE {3})",
            "{0} NOT IN (SELECT {1} FROM {2} WHERE {3})",
            "NOT ({0} IN (SELECT {1} FROM {2} WHERE {3}) OR {4})",
            "NOT ({0} NOT IN (SELECT {1} FROM {2} WHERE {3}) AND {4})",
            "({0} NOT IN (SELECT {1} FROM {2} WHERE {3}) OR {4})",
        ]);
        Some(Phrase::of(template, &[&outer, &column, &inner.from, &condition, &beside]))
    }

    /// EXISTS and NOT EXISTS of rows with the same value.
    fn existence(&mut self, source: &Source) -> Option<Phrase> {
        let inner = self.table();
        let (outer, column) = self.common(source, &inner)?;
        let condition = self.condition(&inner, 0);
        let template = *self.dice.one(&[
            "EXISTS (SELECT 1 FROM {2} WHERE {1} = {0} AND {3})",
            "NOT EXISTS (SELECT {1} FROM {2} WHERE {0} = {1} AND {3})",
        ]);
        Some(Phrase::of(template, &[&outer, &column, &inner.from, &condition]))
    }

    /// EXISTS and NOT EXISTS of rows near by.
    fn existence_near(&mut self, source: &Source) -> Option<Phrase> {
        let inner = self.table();
        let at = source.positions.first()?.clone();
        if source.rows * inner.rows > 3e6 {
            return None;
        }
        let radius = self.few(source, &inner);
        let near = self.near(&at, &inner.positions[0], radius);
        let condition = self.condition(&inner, 0);
        let template = *self.dice.one(&[
            "EXISTS (SELECT 1 FROM {0} WHERE {1} AND {2})",
            "NOT EXISTS (SELECT 1 FROM {0} WHERE {2} AND {1})",
        ]);
        Some(Phrase::of(template, &[&inner.from, &near, &condition]))
    }

    /// A comparison with an aggregate of a table, of its whole or of the rows with the same value.
    fn against_aggregate(&mut self, source: &Source) -> Option<Phrase> {
        let outer = self.choose(&source.columns, |value| value.exact && value.is_number())?.clone();
        let aggregate = self.aggregate_for(source, outer.domain)?;
        let template = *self.dice.one(&["{0} < {1}", "{0} >= {1}", "{1} <= {0}"]);
        Some(Phrase::of(template, &[&outer.phrase, &aggregate]))
    }

    /// A sub-query of one value.
    pub(crate) fn aggregate_for(&mut self, source: &Source, domain: Domain) -> Option<Phrase> {
        let inner = self.table();
        let value = match self.choose(&inner.columns, |value| value.domain == domain) {
            Some(value) => value.clone(),
            None => self.choose(&inner.columns, Value::is_number)?.clone(),
        };
        // The mean of values may be one of them, or a digit beside it.
        let word =
            *self.dice.one(&["MIN({0})", "MAX({0})", "COUNT({0})", "1 + COUNT({0}) - COUNT(*)"]);
        let call = Phrase::of(word, &[&value.phrase]);
        let condition = self.condition(&inner, 0);
        let pair = self.common(source, &inner);
        Some(match pair {
            Some((outer, column)) if self.dice.percent(50) => Phrase::of(
                "(SELECT {0} FROM {1} WHERE {2} = {3} AND {4})",
                &[&call, &inner.from, &column, &outer, &condition],
            ),
            _ => Phrase::of("(SELECT {0} FROM {1} WHERE {2})", &[&call, &inner.from, &condition]),
        })
    }

    /// A column of each of two sources that have values in common.
    fn common(&mut self, source: &Source, inner: &Source) -> Option<(Phrase, Phrase)> {
        let mut pairs = Vec::new();
        for outer in source.columns.iter().filter(|value| value.distinct > 0.0) {
            for column in inner.columns.iter().filter(|value| value.domain == outer.domain) {
                pairs.push((outer.phrase.clone(), column.phrase.clone()));
            }
        }
        if pairs.is_empty() { None } else { Some(self.dice.one(&pairs).clone()) }
    }
}

/// Puts the lower of two constants first: the bounds of an interval.
fn order(domain: Domain, constants: &mut [Phrase; 3]) {
    let number = |phrase: &Phrase| phrase.adql.parse::<f64>().unwrap_or_default();
    if domain.kind() != Kind::Text && number(&constants[0]) > number(&constants[1]) {
        constants.swap(0, 1);
    }
}
