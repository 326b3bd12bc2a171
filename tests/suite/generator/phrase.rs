//! A piece of a query in both languages, and what is known of the values that it gives.

/// A piece of a query: in ADQL, and in DuckDB's SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase {
    pub(crate) adql: String,
    pub(crate) sql: String,
}

impl Phrase {
    /// What both languages write alike.
    pub(crate) fn same(text: impl Into<String>) -> Self {
        let adql = text.into();
        Self { sql: adql.clone(), adql }
    }

    /// What they write in different ways.
    pub(crate) fn apart(adql: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { adql: adql.into(), sql: sql.into() }
    }

    /// A template whose `{0}`, `{1}`, … are replaced by parts.
    pub(crate) fn of(template: &str, parts: &[&Self]) -> Self {
        Self::of_each(template, template, parts)
    }

    /// A template of each language.
    pub(crate) fn of_each(adql: &str, sql: &str, parts: &[&Self]) -> Self {
        let mut whole = Self::apart(adql, sql);
        for (at, part) in parts.iter().enumerate() {
            let place = format!("{{{at}}}");
            whole.adql = whole.adql.replace(&place, &part.adql);
            whole.sql = whole.sql.replace(&place, &part.sql);
        }
        whole
    }

    /// Parts with a text between them.
    pub(crate) fn list(parts: &[Self], between: &str) -> Self {
        let join = |texts: Vec<&str>| texts.join(between);
        Self::apart(
            join(parts.iter().map(|part| part.adql.as_str()).collect()),
            join(parts.iter().map(|part| part.sql.as_str()).collect()),
        )
    }

    /// This, and another after a blank.
    pub(crate) fn then(&self, other: &Self) -> Self {
        Self::of("{0} {1}", &[self, other])
    }
}

/// Where the values of a column lie: constants to compare it with are taken from there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Domain {
    Integer(i64, i64),
    Float(f64, f64),
    Text(&'static [&'static str]),
}

/// The types between which sets are united and values are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Float,
    Text,
}

impl Domain {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Integer(..) => Kind::Integer,
            Self::Float(..) => Kind::Float,
            Self::Text(_) => Kind::Text,
        }
    }

    /// The bounds of numbers.
    pub(crate) fn bounds(self) -> (f64, f64) {
        match self {
            Self::Integer(low, high) => (low as f64, high as f64),
            Self::Float(low, high) => (low, high),
            Self::Text(_) => (0.0, 0.0),
        }
    }
}

/// A value of each row.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) phrase: Phrase,
    pub(crate) domain: Domain,
    /// Both engines compute the same bits, so that it may be compared, grouped and ordered by.
    pub(crate) exact: bool,
    /// How many values there are, where tables may be joined by them; else 0.
    pub(crate) distinct: f64,
}

impl Value {
    pub(crate) fn exact(phrase: Phrase, domain: Domain) -> Self {
        Self { phrase, domain, exact: true, distinct: 0.0 }
    }

    pub(crate) fn near(phrase: Phrase, domain: Domain) -> Self {
        Self { phrase, domain, exact: false, distinct: 0.0 }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.domain.kind()
    }

    pub(crate) fn is_number(&self) -> bool {
        self.kind() != Kind::Text
    }

    /// The same values under another name.
    pub(crate) fn named(&self, phrase: Phrase) -> Self {
        Self { phrase, ..self.clone() }
    }
}
