//! Whole queries: SELECT with its clauses, groups, sets, and the order of their rows.

use super::Generator;
use super::phrase::{Domain, Kind, Phrase, Value};
use super::source::{Sky, Source};

/// A query of more rows than this is made narrower, or cut.
const ROWS_MAX: f64 = 3_000.0;

/// A query, and what is known of its columns.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) text: Phrase,
    pub(crate) names: Vec<String>,
    pub(crate) values: Vec<Value>,
    /// Columns that are positions, by their numbers.
    pub(crate) positions: Vec<(usize, usize, Sky)>,
    /// Columns by which no two rows are equal, by their numbers.
    pub(crate) key: Vec<usize>,
    pub(crate) rows: f64,
    pub(crate) ordered: bool,
}

/// The clauses of a SELECT before there is an order.
#[derive(Debug)]
struct Clauses {
    word: &'static str,
    rest: Phrase,
    /// Such as they are computed.
    values: Vec<Value>,
    key: Vec<usize>,
    positions: Vec<(usize, usize, Sky)>,
    rows: f64,
}

impl Generator {
    /// A query; what stands in it may be `depth` queries deep.
    pub(crate) fn block(&mut self, depth: usize) -> Block {
        match self.dice.integer(0, 99) {
            0..48 => {
                let clauses = self.plain(depth, None);
                self.finished(clauses)
            }
            48..58 => {
                let clauses = self.distinct(depth);
                self.finished(clauses)
            }
            58..85 => {
                let clauses = self.grouped(depth);
                self.finished(clauses)
            }
            _ => self.united(depth),
        }
    }

    /// A SELECT of rows, of values of these kinds where they are given.
    fn plain(&mut self, depth: usize, kinds: Option<&[Kind]>) -> Clauses {
        let (source, rest) = self.filtered(depth, true);
        let mut clauses = Clauses {
            word: "",
            rest,
            values: Vec::new(),
            key: Vec::new(),
            positions: Vec::new(),
            rows: source.rows,
        };
        if let Some(kinds) = kinds {
            for kind in kinds {
                let value = self.value_of(&source, *kind);
                clauses.values.push(value.unwrap_or_else(|| self.constant_of(*kind)));
            }
            return clauses;
        }
        for _ in 0..self.dice.integer(1, 4) {
            let value = self.item(&source, depth);
            clauses.values.push(value);
        }
        if self.dice.percent(60) {
            clauses.add_key(&source);
        }
        if self.dice.percent(40) {
            clauses.add_position(&source);
        }
        clauses
    }

    fn item(&mut self, source: &Source, depth: usize) -> Value {
        if depth > 0 && self.dice.percent(5) {
            let domain = Domain::Integer(700, 830);
            if let Some(phrase) = self.aggregate_for(source, domain) {
                return Value::exact(phrase, Domain::Float(0.0, 1_000.0));
            }
        }
        self.value(source)
    }

    fn constant_of(&mut self, kind: Kind) -> Value {
        let domain = match kind {
            Kind::Integer => Domain::Integer(1, 5),
            Kind::Float => Domain::Float(0.0, 1.0),
            Kind::Text => Domain::Text(&["a", "b"]),
        };
        Value::exact(self.dice.constant(domain), domain)
    }

    fn distinct(&mut self, depth: usize) -> Clauses {
        let (source, rest) = self.filtered(depth, false);
        let mut values = Vec::new();
        for _ in 0..self.dice.integer(1, 3) {
            values.extend(self.exact_value(&source));
        }
        if values.is_empty() {
            values.push(self.constant_of(Kind::Integer));
        }
        let key = (0..values.len()).collect();
        let rows = source.rows;
        Clauses { word: "DISTINCT ", rest, values, key, positions: Vec::new(), rows }
    }

    fn grouped(&mut self, depth: usize) -> Clauses {
        let (source, mut rest) = self.filtered(depth, false);
        let mut values = Vec::new();
        for _ in 0..self.dice.weighted(&[(2, 0), (5, 1), (2, 2)]) {
            values.extend(self.exact_value(&source));
        }
        let keys: Vec<Phrase> = values.iter().map(|value: &Value| value.phrase.clone()).collect();
        // Where all are extremes, an engine may leave rows out.
        let extremes = self.dice.percent(25);
        for _ in 0..self.dice.integer(1, 3) {
            let value = self.aggregate(&source, extremes);
            values.push(value);
        }
        if !keys.is_empty() {
            let list = Phrase::list(&keys, ", ");
            rest = Phrase::of("{0} GROUP BY {1}", &[&rest, &list]);
        }
        if self.dice.percent(30) {
            let aggregate = self.aggregate(&source, false);
            let condition = self.compared(&aggregate);
            rest = Phrase::of("{0} HAVING {1}", &[&rest, &condition]);
        }
        let key = (0..keys.len()).collect();
        let rows = if keys.is_empty() { 1.0 } else { source.rows };
        Clauses { word: "", rest, values, key, positions: Vec::new(), rows }
    }

    fn aggregate(&mut self, source: &Source, extreme: bool) -> Value {
        let mut value = self.value(source);
        if !value.is_number() && self.dice.percent(70) {
            let number = self.choose(&source.columns, Value::is_number);
            value = number.cloned().unwrap_or(value);
        }
        let counts = Domain::Integer(0, 60);
        let parts = [&value.phrase];
        let number = value.is_number();
        match if extreme { 9 } else { self.dice.integer(0, 9) } {
            0 | 1 => Value::exact(Phrase::same("COUNT(*)"), counts),
            2 => Value::exact(Phrase::of("COUNT({0})", &parts), counts),
            3 if value.exact => Value::exact(Phrase::of("COUNT(DISTINCT {0})", &parts), counts),
            4 if number && value.kind() == Kind::Integer => {
                let word = if self.dice.percent(30) { "DISTINCT " } else { "" };
                let [adql, sql] =
                    [format!("SUM({word}{{0}})"), format!("CAST(sum({word}{{0}}) AS BIGINT)")];
                let phrase = Phrase::of_each(&adql, &sql, &parts);
                Value::exact(phrase, Domain::Integer(0, 100_000))
            }
            5 if number => near(Phrase::of("SUM({0})", &parts), 9_000.0),
            6 | 7 if number => near(Phrase::of("AVG({0})", &parts), 500.0),
            6 | 7 if value.exact && source.rows < ROWS_MAX => {
                let sql = "string_agg({0}, '; ' ORDER BY {0})";
                let phrase = Phrase::of_each("ivo_string_agg({0}, '; ')", sql, &parts);
                Value::exact(phrase, Domain::Text(&["G; G", "a"]))
            }
            _ => {
                let template = *self.dice.one(&["MIN({0})", "MAX({0})"]);
                Value { phrase: Phrase::of(template, &parts), distinct: 0.0, ..value }
            }
        }
    }

    /// A source and the clauses FROM and WHERE; of few rows where all of them are an answer.
    fn filtered(&mut self, depth: usize, rows_leave: bool) -> (Source, Phrase) {
        let mut source = self.source(depth);
        if self.dice.percent(6) {
            let other = self.table();
            source = self.crossed(&source, &other).unwrap_or(source);
        }
        let mut conditions = Vec::new();
        if self.dice.percent(65) {
            conditions.push(self.condition(&source, depth));
        }
        if source.rows > ROWS_MAX
            && (rows_leave || self.dice.percent(40))
            && let Some(narrow) = self.narrow(&source)
        {
            conditions.push(narrow);
            source.rows /= 15.0;
        }
        let from = Phrase::of("FROM {0}", &[&source.from]);
        let rest = match conditions.as_slice() {
            [] => from,
            _ => Phrase::of("{0} WHERE {1}", &[&from, &Phrase::list(&conditions, " AND ")]),
        };
        (source, rest)
    }

    /// A SELECT with names for its values, and with an order where there is a total one.
    fn finished(&mut self, clauses: Clauses) -> Block {
        let mut block = self.named_block(clauses.values, clauses.key, clauses.rows);
        let order = if self.dice.percent(45) { self.order(&block) } else { None };
        block.positions = clauses.positions;
        let items = std::mem::replace(&mut block.text, Phrase::same(""));
        let select = |top: &str| format!("SELECT {}{top}{{0}} {{1}}", clauses.word);
        let plain = Phrase::of(&select(""), &[&items, &clauses.rest]);
        let Some(order) = order else {
            block.text = plain;
            return block;
        };
        let top = self.dice.percent(50).then(|| self.dice.integer(1, 60));
        let offset = self.dice.percent(30).then(|| self.dice.integer(0, 20));
        let head = top.map(|top| format!("TOP {top} ")).unwrap_or_default();
        let limit = top.map(|top| format!(" LIMIT {top}")).unwrap_or_default();
        let offset = offset.map(|offset| format!(" OFFSET {offset}")).unwrap_or_default();
        let adql = format!("{} {{2}}{offset}", select(&head));
        let sql = format!("{} {{2}}{limit}{offset}", select(""));
        block.text = Phrase::of_each(&adql, &sql, &[&items, &clauses.rest, &order]);
        block.ordered = true;
        block.rows = top.map_or(block.rows, |_| block.rows.min(60.0));
        block
    }

    /// Gives values names; the text is the list of items.
    fn named_block(&mut self, values: Vec<Value>, key: Vec<usize>, rows: f64) -> Block {
        let names: Vec<String> = values.iter().map(|_| self.alias("c")).collect();
        let item = |(value, name): (&Value, &String)| {
            value.phrase.then(&Phrase::same(format!("AS {name}")))
        };
        let items: Vec<Phrase> = values.iter().zip(&names).map(item).collect();
        let text = Phrase::list(&items, ", ");
        Block { text, names, values, positions: Vec::new(), key, rows, ordered: false }
    }

    /// ORDER BY, where values determine the order of all rows that can be told from each other.
    fn order(&mut self, block: &Block) -> Option<Phrase> {
        let is_exact = |at: &usize| is_orderable(&block.values[*at]);
        let all: Vec<usize> = (0..block.values.len()).collect();
        let orderable: Vec<usize> = all.iter().copied().filter(is_exact).collect();
        let last = if orderable.len() == all.len() {
            all
        } else if !block.key.is_empty() && block.key.iter().all(is_exact) {
            block.key.clone()
        } else {
            return None;
        };
        let mut keys: Vec<usize> = self.dice.some(&orderable, 1).into_iter().copied().collect();
        keys.extend(last);
        let mut terms = Vec::new();
        for (place, at) in keys.iter().enumerate() {
            if keys[..place].contains(at) {
                continue;
            }
            let number = (at + 1).to_string();
            let name = if self.dice.percent(15) { &number } else { &block.names[*at] };
            let (word, nulls) = *self.dice.one(&[
                ("", " ASC NULLS LAST"),
                (" ASC", " ASC NULLS LAST"),
                (" DESC", " DESC NULLS FIRST"),
            ]);
            terms.push(Phrase::apart(format!("{name}{word}"), format!("{name}{nulls}")));
        }
        Some(Phrase::of("ORDER BY {0}", &[&Phrase::list(&terms, ", ")]))
    }

    /// Sets united, subtracted, intersected.
    fn united(&mut self, depth: usize) -> Block {
        let all = [Kind::Integer, Kind::Float, Kind::Text, Kind::Integer];
        let count = self.dice.below(3) + 1;
        let kinds: Vec<Kind> = self.dice.some(&all, count).into_iter().copied().collect();
        let first = self.plain(depth, Some(&kinds));
        let mut block = self.named_block(first.values, Vec::new(), first.rows);
        let mut text = Phrase::of("SELECT {0} {1}", &[&block.text, &first.rest]);
        for _ in 0..self.dice.integer(1, 2) {
            let next = self.plain(depth.saturating_sub(1), Some(&kinds));
            let items: Vec<Phrase> = next.values.into_iter().map(|value| value.phrase).collect();
            let word = self.dice.weighted(&[
                (40, "UNION"),
                (40, "UNION ALL"),
                (20, "EXCEPT"),
                (20, "INTERSECT"),
                (1, "EXCEPT ALL"),
            ]);
            let template = format!("{{0}} {word} SELECT {{1}} {{2}}");
            text = Phrase::of(&template, &[&text, &Phrase::list(&items, ", "), &next.rest]);
            block.rows += next.rows;
        }
        for value in &mut block.values {
            value.distinct = 0.0;
        }
        if self.dice.percent(40)
            && let Some(order) = self.order(&block)
        {
            text = text.then(&order);
            block.ordered = true;
        }
        block.text = text;
        block
    }
}

/// Distances are: those from a place without round numbers are equal only where positions are.
fn is_orderable(value: &Value) -> bool {
    value.exact || value.phrase.adql.starts_with("DISTANCE(")
}

fn near(phrase: Phrase, high: f64) -> Value {
    Value::near(phrase, Domain::Float(0.0, high))
}

impl Clauses {
    /// Adds the columns by which rows differ, where they are known.
    fn add_key(&mut self, source: &Source) {
        let column = |phrase: &Phrase| source.columns.iter().find(|value| value.phrase == *phrase);
        let key: Option<Vec<&Value>> = source.key.iter().map(column).collect();
        for value in key.into_iter().flatten() {
            self.key.push(self.values.len());
            self.values.push(value.clone());
        }
    }

    fn add_position(&mut self, source: &Source) {
        let Some(position) = source.positions.first() else { return };
        let column = |phrase: &Phrase| source.columns.iter().find(|value| value.phrase == *phrase);
        if let (Some(lon), Some(lat)) = (column(&position.lon), column(&position.lat)) {
            let at = self.values.len();
            self.values.extend([lon.clone(), lat.clone()]);
            self.positions.push((at, at + 1, position.sky));
        }
    }
}
