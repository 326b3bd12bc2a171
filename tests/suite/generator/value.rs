//! Values of rows: columns, arithmetic, functions, choices, casts, texts.

use super::Generator;
use super::phrase::{Domain, Kind, Phrase, Value};
use super::source::Source;

/// Integers stay below this, so that no product of them overflows.
const INTEGER_MAX: f64 = 1e6;

impl Generator {
    /// A value: most often a column.
    pub(crate) fn value(&mut self, source: &Source) -> Value {
        let column = self.dice.one(&source.columns).clone();
        if self.dice.percent(55) {
            return column;
        }
        match self.dice.integer(0, 19) {
            0 | 1 => self.chosen(source, &column),
            2 => self.coalesced(source, &column),
            3..6 if !source.positions.is_empty() => {
                let position = self.dice.one(&source.positions).clone();
                if self.dice.percent(70) {
                    self.distance(&position)
                } else {
                    self.is_within(&position)
                }
            }
            6 => self.overlap(source).unwrap_or(column),
            _ => match column.kind() {
                Kind::Text => self.text(source, &column),
                Kind::Integer | Kind::Float if !column.exact => column,
                Kind::Integer | Kind::Float => self.number(source, &column),
            },
        }
    }

    /// A value that may be compared, grouped and ordered by.
    pub(crate) fn exact_value(&mut self, source: &Source) -> Option<Value> {
        let value = self.value(source);
        if value.exact {
            return Some(value);
        }
        self.choose(&source.columns, |column| column.exact).cloned()
    }

    /// A value of a kind that is compared, where there is one.
    pub(crate) fn value_of(&mut self, source: &Source, kind: Kind) -> Option<Value> {
        for _ in 0..4 {
            let value = self.value(source);
            if value.exact && value.kind() == kind {
                return Some(value);
            }
        }
        self.choose(&source.columns, |column| column.exact && column.kind() == kind).cloned()
    }

    /// A value where a condition holds, and another or NULL where it does not.
    fn chosen(&mut self, source: &Source, then: &Value) -> Value {
        let otherwise = self
            .choose(&source.columns, |column| column.kind() == then.kind())
            .cloned()
            .unwrap_or_else(|| then.clone());
        let exact = then.exact && otherwise.exact;
        let condition = self.plain_comparison(&source.columns);
        let constant = self.dice.constant(then.domain);
        let parts = [&condition, &then.phrase, &otherwise.phrase, &constant];
        let (template, exact) = match self.dice.integer(0, 4) {
            3 if then.exact => ("CASE {1} WHEN {3} THEN {2} WHEN {2} THEN {3} ELSE {1} END", exact),
            0 => ("CASE WHEN {0} THEN {1} END", then.exact),
            1 => ("CASE WHEN NOT ({0}) THEN {1} ELSE {2} END", exact),
            2 => ("CASE WHEN {1} IS NULL THEN {2} WHEN {0} THEN {1} END", exact),
            _ => ("CASE WHEN {0} THEN {1} ELSE {2} END", exact),
        };
        Value { phrase: Phrase::of(template, &parts), exact, distinct: 0.0, ..then.clone() }
    }

    fn coalesced(&mut self, source: &Source, first: &Value) -> Value {
        let constant = self.dice.constant(first.domain);
        let other = self.choose(&source.columns, |column| column.kind() == first.kind()).cloned();
        let (phrase, exact) = match other {
            Some(other) if self.dice.percent(60) => {
                let parts = [&first.phrase, &other.phrase, &constant];
                let template = *self.dice.one(&["COALESCE({0}, {1})", "COALESCE({0}, {1}, {2})"]);
                (Phrase::of(template, &parts), first.exact && other.exact)
            }
            _ => (Phrase::of("COALESCE({0}, {1})", &[&first.phrase, &constant]), first.exact),
        };
        Value { phrase, exact, distinct: 0.0, ..first.clone() }
    }

    /// Whether the intervals of two columns and of two constants overlap.
    fn overlap(&mut self, source: &Source) -> Option<Value> {
        let fits = |value: &Value| value.exact && value.is_number();
        let low = self.choose(&source.columns, fits)?.clone();
        let high = self.choose(&source.columns, fits)?.clone();
        let bounds = [self.dice.constant(low.domain), self.dice.constant(high.domain)];
        let parts = [&low.phrase, &high.phrase, &bounds[0], &bounds[1]];
        let adql = "ivo_interval_overlaps({0}, {1}, {2}, {3})";
        let sql = "CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL WHEN {0} <= {1} AND {2} <= {3} \
                   AND {0} <= {3} AND {2} <= {1} THEN 1 ELSE 0 END";
        Some(Value::exact(Phrase::of_each(adql, sql, &parts), Domain::Integer(0, 1)))
    }

    fn text(&mut self, source: &Source, column: &Value) -> Value {
        let other = self.choose(&source.columns, |value| value.kind() == Kind::Text).cloned();
        let other = other.unwrap_or_else(|| column.clone()).phrase;
        let parts = [&column.phrase, &other];
        let phrase = match self.dice.integer(0, 5) {
            0 => Phrase::of("LOWER({0})", &parts),
            1 => Phrase::of("UPPER({0})", &parts),
            2 => Phrase::of("{0} || ' in ' || {1}", &parts),
            3 => Phrase::of_each("CAST({0} AS VARCHAR(4))", "substr({0}, 1, 4)", &parts),
            4 => Phrase::of("LOWER({0} || '-' || UPPER({1}))", &parts),
            _ => Phrase::of("COALESCE({0}, 'no ''text''')", &parts),
        };
        Value { phrase, distinct: 0.0, ..column.clone() }
    }

    fn number(&mut self, source: &Source, column: &Value) -> Value {
        match self.dice.integer(0, 9) {
            0..4 => self.arithmetic(source, column),
            4 | 5 => self.rounded(column),
            6 => self.cast(column),
            _ => self.function(column),
        }
    }

    fn arithmetic(&mut self, source: &Source, a: &Value) -> Value {
        let fits = |value: &Value| value.exact && value.is_number();
        let constant = match a.kind() {
            Kind::Integer => Value::exact(
                Phrase::same(self.dice.integer(2, 9).to_string()),
                Domain::Integer(2, 9),
            ),
            Kind::Float | Kind::Text => {
                let domain = Domain::Float(1.1, 3.9);
                Value::exact(self.dice.constant(domain), domain)
            }
        };
        let other = self.choose(&source.columns, fits).cloned();
        let b = match other {
            Some(other) if self.dice.percent(50) => other,
            _ => constant.clone(),
        };
        let (low, high) = a.domain.bounds();
        let (other_low, other_high) = b.domain.bounds();
        let both_integers = a.kind() == Kind::Integer && b.kind() == Kind::Integer;
        let largest = low.abs().max(high.abs()) * other_low.abs().max(other_high.abs());
        let parts = [&a.phrase, &b.phrase, &constant.phrase];
        let (phrase, low, high) = match self.dice.integer(0, 5) {
            0 => (Phrase::of("({0} + {1})", &parts), low + other_low, high + other_high),
            1 => (Phrase::of("({0} - {1})", &parts), low - other_high, high - other_low),
            2 if largest < INTEGER_MAX => (Phrase::of("({0} * {1})", &parts), -largest, largest),
            3 => return modulo(a, &constant),
            4 => {
                let negative = Value::exact(Phrase::of("-{0}", &parts), Domain::Float(-high, -low));
                return negative.retyped(a.kind());
            }
            _ => return quotient(a, &constant),
        };
        let value = Value::exact(phrase, Domain::Float(low, high));
        if both_integers { value.retyped(Kind::Integer) } else { value }
    }

    fn rounded(&mut self, column: &Value) -> Value {
        let decimals = self.dice.integer(-1, 3);
        let decimals = Phrase::same(decimals.to_string());
        let (adql, sql) = *self.dice.one(&[
            ("FLOOR({0})", "floor({0}::DOUBLE)"),
            ("CEILING({0} / 2)", "ceil({0} / 2)"),
            ("ROUND({0})", "round({0}::DOUBLE)"),
            ("ROUND({0}, {1})", "round({0}::DOUBLE, {1})"),
            ("TRUNCATE({0})", "trunc({0}::DOUBLE)"),
            ("TRUNCATE({0}, 1)", "(trunc({0}::DOUBLE * 10) / 10)"),
            ("FLOOR({0} / 10.5)", "floor({0} / 10.5e0)"),
        ]);
        // A quotient of integers is cut before it is rounded.
        let sql = if column.kind() == Kind::Integer {
            sql.replace(" / 2", " // 2")
        } else {
            sql.to_owned()
        };
        let (low, high) = column.domain.bounds();
        Value::exact(
            Phrase::of_each(adql, &sql, &[&column.phrase, &decimals]),
            Domain::Float(low, high),
        )
    }

    fn cast(&mut self, column: &Value) -> Value {
        let (low, high) = column.domain.bounds();
        let parts = [&column.phrase];
        match self.dice.integer(0, 3) {
            0 => Value::exact(
                Phrase::of_each("CAST({0} AS INTEGER)", "CAST(trunc({0}) AS BIGINT)", &parts),
                Domain::Float(low, high),
            )
            .retyped(Kind::Integer),
            1 => Value::exact(
                Phrase::of_each("CAST({0} AS BIGINT)", "CAST(trunc({0}) AS BIGINT)", &parts),
                Domain::Float(low, high),
            )
            .retyped(Kind::Integer),
            2 if column.kind() == Kind::Integer => Value::exact(
                Phrase::of_each("CAST({0} AS VARCHAR(20))", "CAST({0} AS VARCHAR)", &parts),
                Domain::Text(&["701", "77", "8"]),
            ),
            _ => Value::exact(
                Phrase::of_each("CAST({0} AS DOUBLE PRECISION)", "CAST({0} AS DOUBLE)", &parts),
                Domain::Float(low, high),
            ),
        }
    }

    /// Functions whose last digit may be another, and which are NULL where they are not defined.
    fn function(&mut self, column: &Value) -> Value {
        let (adql, sql, low, high) = *self.dice.one(&[
            ("SIN({0})", "sin({0})", -1.0, 1.0),
            ("COS(RADIANS({0}))", "cos(radians({0}))", -1.0, 1.0),
            ("ATAN({0})", "atan({0})", -1.5, 1.5),
            ("ATAN2({0}, 2.5)", "atan2({0}, 2.5e0)", -3.0, 3.0),
            ("RADIANS({0})", "radians({0})", -6.0, 6.0),
            ("DEGREES({0})", "degrees({0})", 0.0, 9_000.0),
            ("SQRT({0})", "CASE WHEN {0} >= 0 THEN sqrt({0}) END", 0.0, 30.0),
            ("LOG({0})", "CASE WHEN {0} > 0 THEN ln({0}) END", 0.0, 9.0),
            ("LOG10({0})", "CASE WHEN {0} > 0 THEN log10({0}) END", 0.0, 4.0),
            ("EXP(MOD({0}, 7))", "exp({0} % 7)", 0.0, 400.0),
            ("POWER({0}, 2)", "pow({0}, 2)", 0.0, 9_000.0),
            ("POWER({0}, 0.5)", "CASE WHEN {0} >= 0 THEN pow({0}, 0.5e0) END", 0.0, 30.0),
            ("ASIN({0})", "CASE WHEN abs({0}) <= 1 THEN asin({0}) END", -1.5, 1.5),
            (
                "ACOS({0} / 1000.0)",
                "CASE WHEN abs({0} / 1000) <= 1 THEN acos({0} / 1000) END",
                0.0,
                3.0,
            ),
            ("PI() * {0}", "pi() * {0}", 0.0, 1_000.0),
            ("ABS({0})", "abs({0})", 0.0, 100.0),
        ]);
        Value::near(Phrase::of_each(adql, sql, &[&column.phrase]), Domain::Float(low, high))
    }
}

fn modulo(a: &Value, constant: &Value) -> Value {
    let phrase = Phrase::of_each("MOD({0}, {1})", "({0} % {1})", &[&a.phrase, &constant.phrase]);
    let (_, high) = constant.domain.bounds();
    Value::exact(phrase, Domain::Float(0.0, high)).retyped(a.kind())
}

/// The quotient of integers is cut towards zero.
fn quotient(a: &Value, constant: &Value) -> Value {
    let (low, high) = a.domain.bounds();
    let parts = [&a.phrase, &constant.phrase];
    let sql = if a.kind() == Kind::Integer { "({0} // {1})" } else { "({0} / {1})" };
    let phrase = Phrase::of_each("({0} / {1})", sql, &parts);
    Value::exact(phrase, Domain::Float(low / 3.0, high / 3.0)).retyped(a.kind())
}

impl Value {
    /// The same values as numbers of another kind.
    fn retyped(self, kind: Kind) -> Self {
        let (low, high) = self.domain.bounds();
        // Bounds of integers are far below what a double holds.
        #[expect(clippy::cast_possible_truncation, reason = "bounds are small")]
        let integers = Domain::Integer(low as i64, high as i64);
        let domain = if kind == Kind::Integer { integers } else { Domain::Float(low, high) };
        Self { domain, ..self }
    }
}
