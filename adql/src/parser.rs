//! Text to syntax tree, by `sqlparser` with a dialect of our own.
//!
//! This is the only module that knows how `sqlparser` reads: the tokens are bounded
//! ([`Limits`]) and reduced to those of ADQL ([`tokens`]) before it sees them, so that most of
//! what other SQLs allow cannot be written; the module [`check`](crate::check) judges the rest.

mod body;
mod named_place;
mod subscript;
mod tokens;
pub(crate) mod tree;
pub(crate) mod words;

use std::cell::Cell;

use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{
    Location, Span, Token, TokenWithSpan, Tokenizer, TokenizerError,
};

use crate::resolve::nearest;
use crate::{Error, Limits, Place, Schemas};

pub(crate) use body::Body;
pub use named_place::named_objects;

/// Parses exactly one query (ADQL 2.1, grammar, `<query_specification>`); a `;` may follow it.
/// Where `schemas` are known, calls of macros and names of objects are replaced by what they stand
/// for.
pub(crate) fn parse(
    text: &str,
    schemas: Option<&dyn Schemas>,
    limits: &Limits,
) -> Result<Query, Error> {
    limits.check_text(text)?;
    let mut dialect = Adql::default();
    let mut tokens = vec![];
    Tokenizer::new(&dialect, text)
        .tokenize_with_location_into_buf(&mut tokens)
        .map_err(|error| unreadable(&error, tokens.last()))?;
    let tokens = subscript::as_calls(tokens::significant(tokens)?)?;
    let tokens = match schemas {
        Some(schemas) => {
            named_place::as_points(body::expand(tokens, schemas.macros(), limits)?, schemas)?
        }
        None => tokens,
    };
    limits.check_tokens(&tokens)?;
    let tokens = tokens::reduce(tokens)?;
    let end = tokens.last().map_or(Location { line: 1, column: 1 }, |token| token.span.end);

    dialect.work = Cell::new(WORK_PER_TOKEN * (tokens.len() + 16));
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(LEVELS_PER_NESTING * (limits.nesting + 1))
        .with_tokens_with_locations(tokens);
    let parsed = parser.parse_query().and_then(|query| {
        let rest = parser.peek_token();
        if rest.token == Token::EOF {
            Ok(query)
        } else {
            trailing(&rest, parser.get_current_token())
        }
    });
    match parsed {
        Ok(query) => Ok(*query),
        Err(ParserError::RecursionLimitExceeded) => Err(too_complex(&dialect, limits)),
        Err(ParserError::ParserError(message) | ParserError::TokenizerError(message)) => {
            Err(syntax(&message, end))
        }
    }
}

/// The place where a span begins, if the parser knew it.
pub(crate) fn place(span: Span) -> Option<Place> {
    let Location { line, column } = span.start;
    (line > 0).then_some(Place { line, column })
}

/// Where a function is called, if that is in one place.
pub(crate) fn only_call(text: &str, name: &str) -> Option<Place> {
    let tokens = Tokenizer::new(&Adql::default(), text).tokenize_with_location().ok()?;
    let tokens: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let is_call = |pair: &&[&TokenWithSpan]| match (&pair[0].token, &pair[1].token) {
        (Token::Word(word), Token::LParen) => word.value.eq_ignore_ascii_case(name),
        _ => false,
    };
    let mut calls = tokens.windows(2).filter(is_call);
    let first = calls.next()?;
    if calls.next().is_some() { None } else { place(first[0].span) }
}

/// The error about what follows a query, which a misspelled word may have ended.
fn trailing<T>(found: &TokenWithSpan, before: &TokenWithSpan) -> Result<T, ParserError> {
    let Location { line, column } = found.span.start;
    let advice = match (meant(&before.token), meant(&found.token)) {
        (Some(word), _) => {
            format!(": {} was read as a name, did you mean {word}?", before.token)
        }
        (None, Some(word)) => format!(", did you mean {word}?"),
        (None, None) => String::new(),
    };
    Err(ParserError::ParserError(format!(
        "Expected: the end of the query, found: {}{advice} at Line: {line}, Column: {column}",
        found.token
    )))
}

/// The word that begins a clause and is near to one that is none.
fn meant(token: &Token) -> Option<String> {
    let Token::Word(word) = token else { return None };
    let is_name = word.quote_style.is_none() && word.keyword == Keyword::NoKeyword;
    let clauses = ["WHERE", "GROUP", "HAVING", "ORDER", "OFFSET", "UNION", "EXCEPT", "INTERSECT"];
    if !is_name || word.value.len() < 4 {
        return None;
    }
    nearest(&word.value, clauses.into_iter().map(str::to_owned)).into_iter().next()
}

/// How often an expression may be begun per token. Without failures it is less than four times.
const WORK_PER_TOKEN: usize = 64;

/// How many of its calls sqlparser counts for one level of nesting, at most.
const LEVELS_PER_NESTING: usize = 12;

/// The dialect: everything beyond standard SQL is off.
#[derive(Debug, Default)]
struct Adql {
    /// How many more expressions may be begun. sqlparser tries some constructs in two ways, and
    /// does so again on each level; the count ends what would take exponential time.
    work: Cell<usize>,
}

impl Dialect for Adql {
    /// Letters of any script and `_` are read as words, so that [`tokens`] can name the word that
    /// is no identifier of ADQL.
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    /// What fails as syntax is not tried again as a name.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        keyword != Keyword::NoKeyword
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let Some(left) = self.work.get().checked_sub(1) else {
            // The one error that sqlparser does not take as a reason to try the other way.
            return Some(Err(ParserError::RecursionLimitExceeded));
        };
        self.work.set(left);
        let next = parser.peek_token();
        match &next.token {
            Token::Word(word) if !begins_expression(word.keyword) => {
                Some(parser.expected("an expression", next))
            }
            _ => None,
        }
    }
}

/// Whether a word may begin an expression: a name, or one of these keywords.
fn begins_expression(keyword: Keyword) -> bool {
    use Keyword::{CASE, CAST, EXISTS, FALSE, NOT, NULL, NoKeyword, TRUE};
    matches!(keyword, NoKeyword | CASE | CAST | EXISTS | NOT | NULL | TRUE | FALSE)
}

fn too_complex(dialect: &Adql, limits: &Limits) -> Error {
    if dialect.work.get() == 0 {
        let message = "the parentheses are too ambiguous to be parsed: remove superfluous ones";
        return Error::NotAllowed { message: message.to_owned(), place: None };
    }
    Error::TooLarge {
        unit: "levels of nesting",
        limit: limits.nesting,
        actual: limits.nesting.saturating_add(1),
    }
}

/// The error about a text that has no tokens behind the last one.
fn unreadable(error: &TokenizerError, last: Option<&TokenWithSpan>) -> Error {
    let Location { mut line, mut column } = error.location;
    let what = error.message.to_lowercase();
    let message = if what.contains("close delimiter") {
        "the name in double quotes is not closed".to_owned()
    } else if what.contains("string literal") {
        "the string is not closed (a quote inside a string is written twice: '')".to_owned()
    } else if what.contains("comment") {
        // The tokenizer is at the end of the text.
        let begin = last.map_or(Location { line: 1, column: 1 }, |last| last.span.end);
        (line, column) = (begin.line, begin.column);
        "unexpected /*: comments begin with -- and end with the line".to_owned()
    } else {
        what
    };
    Error::Syntax { message, place: Place { line, column } }
}

/// Rewords a message as `Expected: x, found: y at Line: 1, Column: 2`; without a location it is
/// about the end of the text.
fn syntax(message: &str, end: Location) -> Error {
    let (text, location) = match message.rsplit_once(" at Line: ") {
        Some((text, location)) => (text, parse_location(location)),
        None => (message, None),
    };
    let Location { line, column } = location.unwrap_or(end);
    let message = match text.strip_prefix("Expected: ").and_then(|m| m.split_once(", found: ")) {
        Some(("identifier", "EOF")) => "expected a name, found the end of the query".to_owned(),
        Some(("identifier", found)) => format!("expected a name, found {found}"),
        Some((expected, "EOF")) => format!("expected {expected}, found the end of the query"),
        Some((expected, found)) => format!("expected {expected}, found {found}"),
        None => text.to_lowercase(),
    };
    Error::Syntax { message, place: Place { line, column } }
}

fn parse_location(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location { line: line.parse().ok()?, column: column.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let answer = match parse(text, None, &Limits::default()) {
            Ok(query) => query.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(answer, expect, "for {text}");
    }

    #[test]
    fn queries() {
        check("select a from t", "SELECT a FROM t");
        check("SELECT a FROM t;", "SELECT a FROM t");
        check("SELECT\"a\"FROM t -- remark", "SELECT \"a\" FROM t");
        check("select distinct top\n 4*from t", "SELECT DISTINCT TOP 4 * FROM t");
        check("SELECT ALL a FROM t OFFSET 3", "SELECT ALL a FROM t OFFSET 3");
        check("SELECT .5, 12., 1e3, 1.E-3 FROM t", "SELECT .5, 12., 1e3, 1.E-3 FROM t");
        check(
            "SELECT POINT(1, 2), truncate(x,-2)as b FROM t",
            "SELECT POINT(1, 2), truncate(x, -2) AS b FROM t",
        );
        check("SELECT limit, over, window FROM qualify", "SELECT limit, over, window FROM qualify");
        check(
            "SELECT CAST(a AS DOUBLE PRECISION), CAST(b AS VARCHAR(3)), CAST(c AS POINT) FROM t",
            "SELECT CAST(a AS DOUBLE PRECISION), CAST(b AS VARCHAR(3)), CAST(c AS POINT) FROM t",
        );
    }

    #[test]
    fn errors_have_a_place() {
        check("", "the query is empty at line 1, column 1");
        check("SELECT A", "FROM is missing at line 1, column 9");
        check(
            "SELECT a\n  FROM",
            "expected a table after FROM, found the end of the query at line 2, column 7",
        );
        check(
            "SELECT a FROM t WHERE",
            "expected an expression, found the end of the query at line 1, column 22",
        );
        check("SELECT FROM t", "expected an expression, found FROM at line 1, column 8");
        check("SELECT a FROM t u v", "expected the end of the query, found v at line 1, column 19");
        check("SELECT a, FROM t", "expected an expression, found FROM at line 1, column 11");
        check(
            "SELECT a FROM t WHERE x IN (1,)",
            "expected an expression, found ) at line 1, column 31",
        );
        check(
            "SELECT 'a FROM t",
            "the string is not closed (a quote inside a string is written twice: '') at line 1, column 8",
        );
        check("SELECT \"a FROM t", "the name in double quotes is not closed at line 1, column 8");
    }

    #[test]
    fn what_is_not_adql_is_refused_with_advice() {
        check(
            "DROP TABLE t",
            "expected SELECT or WITH, found DROP: only queries are evaluated at line 1, column 1",
        );
        check(
            "SELECT a FROM t; SELECT b FROM t",
            "expected the end of the query after ;, found SELECT: only one query is evaluated at line 1, column 18",
        );
        check(
            "SELECT a FROM t LIMIT 10",
            "LIMIT is not part of ADQL: write SELECT TOP 10 … at line 1, column 17",
        );
        check(
            "SELECT TOP -1 a FROM t",
            "TOP needs an unsigned whole number, found - at line 1, column 12",
        );
        check(
            "SELECT a FROM t OFFSET 1.5",
            "OFFSET needs an unsigned whole number, found 1.5 at line 1, column 24",
        );
        check(
            "SELECT a FROM t ORDER BY a NULLS FIRST",
            "NULLS FIRST is not part of ADQL: NULLs come last, and first with DESC at line 1, column 28",
        );
        check(
            "SELECT size FROM t",
            "size is a reserved word of ADQL: a column or table of that name is written \"size\" at line 1, column 8",
        );
        check(
            "SELECT _a FROM t",
            "_a is not a regular identifier (a Latin letter, then letters, digits and _): write \"_a\" at line 1, column 8",
        );
        check("SELECT a % 2 FROM t", "unexpected %: write MOD(x, y) at line 1, column 10");
        check(
            "SELECT `a` FROM t",
            "unexpected `: names with special characters are written \"…\" at line 1, column 8",
        );
        check("SELECT a::int FROM t", "unexpected '::': write CAST(x AS type) at line 1, column 9");
        check("SELECT a FROM t WHERE a == 1", "unexpected '==': write = at line 1, column 25");
        check(
            "SELECT a /* b */ FROM t",
            "unexpected /*: comments begin with -- and end with the line at line 1, column 10",
        );
        check(
            "SELECT SUM(a) OVER (ORDER BY b) FROM t",
            "OVER is not part of ADQL: there are no window functions at line 1, column 15",
        );
        check(
            "SELECT a FROM t FETCH FIRST 3 ROWS ONLY",
            "FETCH is not part of ADQL: write SELECT TOP n … at line 1, column 17",
        );
        check(
            "SELECT a FROM t WHERE a LIKE '!%' ESCAPE '!'",
            "ESCAPE is not part of ADQL: % and _ of a pattern stand for any letters at line 1, column 35",
        );
        check(
            "SELECT CAST(a AS FLOAT) FROM t",
            "unknown type FLOAT: write DOUBLE PRECISION at line 1, column 18",
        );
        check("SELECT \"\" FROM t", "the name in double quotes is empty at line 1, column 8");
    }

    #[test]
    fn words_of_others_and_misspelled_ones() {
        for (text, expect) in [
            (
                "SELECT a\n /* b FROM t",
                "unexpected /*: comments begin with -- and end with the line at line 2, column 2",
            ),
            (
                "WITH RECURSIVE t AS (SELECT a FROM u) SELECT a FROM t",
                "RECURSIVE is not part of ADQL: no WITH query names itself at line 1, column 6",
            ),
            (
                "SELECT a FROM t MINUS SELECT a FROM u",
                "MINUS is not part of ADQL: write EXCEPT at line 1, column 17",
            ),
            (
                "SELECT TOP 5 DISTINCT a FROM t",
                "TOP stands behind DISTINCT: write SELECT DISTINCT TOP 5 at line 1, column 14",
            ),
            (
                "SELECT a FROM t WEHRE a < 1",
                "expected the end of the query, found a: WEHRE was read as a name, did you mean WHERE? at line 1, column 23",
            ),
            (
                "SELECT a FROM t GRUOP BY a",
                "expected the end of the query, found BY: GRUOP was read as a name, did you mean GROUP? at line 1, column 23",
            ),
            (
                "SELECT a FROM t WHERE a = 1 ODER BY a",
                "expected the end of the query, found ODER, did you mean ORDER? at line 1, column 29",
            ),
            (
                "SELECT a FROM t s foo",
                "expected the end of the query, found foo at line 1, column 19",
            ),
            (
                "SELECT a FROM WHERE b < 1",
                "expected a table after FROM, found WHERE at line 1, column 15",
            ),
            (
                "SELECT a FROM t JOIN ON a = b",
                "expected a table after JOIN, found ON at line 1, column 22",
            ),
            (
                "SELECT a FROM t,",
                "expected a name, found the end of the query at line 1, column 17",
            ),
            (
                "SELECT CAST(a AS TEXT) FROM t",
                "unknown type TEXT: write VARCHAR at line 1, column 18",
            ),
            (
                "SELECT CAST(a AS DOUBLE) FROM t",
                "unknown type DOUBLE: write DOUBLE PRECISION at line 1, column 18",
            ),
            ("WITH recursive AS (SELECT a FROM t) SELECT a FROM recursive AS minus", ""),
        ] {
            let answer =
                parse(text, None, &Limits::default()).and_then(|q| crate::check::check(&q, &[]));
            let answer = answer.map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(answer, expect, "for {text}");
        }
    }
}
