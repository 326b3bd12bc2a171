//! What bounds a query before a tree is made of it.
//!
//! A chain of 200,000 ORs parses in a loop, but the tree that comes out is 200,000 levels deep and
//! ends the process when it is dropped. So length and depth are counted on the tokens: no text
//! that passes can make a tree deeper than [`Limits`] allow. Lists (`IN (1, 2, …)`) are flat and
//! bounded by the number of tokens.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::Error;

/// How large a query may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Tokens, white space and comments not counted.
    pub tokens: usize,
    /// Operators in one chain, as in `a OR b OR c`.
    pub chain: usize,
    /// Levels of nesting: parentheses (sub-queries and function calls among them), CASE, and
    /// signs or NOTs in a row.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A list of 100,000 ids with signs, or of as many names of some twenty letters.
        Self { bytes: 3 << 20, tokens: 400_000, chain: 2_000, nesting: 64 }
    }
}

/// The most arithmetic operators in one chain. They cannot be regrouped, since sums of floats depend
/// on their order, so that the plan is as deep as the chain is long; AND and OR are balanced.
const ARITHMETIC: usize = 256;

/// The most joins and set operations on one level of parentheses. Each is a level of the plan, and
/// the optimizer walks a plan many times; the longest that people write by program are UNIONs of
/// some dozens.
const LINKS: usize = 256;

impl Limits {
    /// Refuses a text with too many bytes.
    pub(crate) fn check_text(&self, text: &str) -> Result<(), Error> {
        within("bytes", self.bytes, text.len())
    }

    /// Refuses tokens that are too many, or that would make too deep a tree.
    pub(crate) fn check_tokens(&self, tokens: &[TokenWithSpan]) -> Result<(), Error> {
        within("tokens", self.tokens, tokens.len())?;
        let mut levels = vec![Level::default()];
        let mut prefixes = 0;
        for token in tokens {
            let role = Role::of(&token.token);
            prefixes = if role.may_be_prefix { prefixes + 1 } else { 0 };
            match role.bracket {
                Bracket::Opens(kind) => levels.push(Level { kind, ..Level::default() }),
                Bracket::Closes(kind) => {
                    if levels.len() > 1 && levels.last().is_some_and(|level| level.kind == kind) {
                        levels.pop();
                    }
                }
                Bracket::None => {}
            }
            within("levels of nesting", self.nesting, levels.len() - 1 + prefixes)?;
            if let Some(level) = levels.last_mut() {
                level.count(&role);
                within("operators in one chain", self.chain, level.operators)?;
                within("arithmetic operators in one chain", ARITHMETIC, level.arithmetic)?;
                within("joins and set operations in one query", LINKS, level.links)?;
            }
        }
        Ok(())
    }
}

fn within(unit: &'static str, limit: usize, actual: usize) -> Result<(), Error> {
    if actual > limit { Err(Error::TooLarge { unit, limit, actual }) } else { Ok(()) }
}

/// What opened a level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Parenthesis,
    Case,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    None,
    Opens(Kind),
    Closes(Kind),
}

/// What has been counted between two parentheses.
#[derive(Debug, Default)]
struct Level {
    kind: Kind,
    operators: usize,
    arithmetic: usize,
    links: usize,
    in_from: bool,
}

impl Level {
    fn count(&mut self, role: &Role) {
        if role.ends_chain {
            self.operators = 0;
        }
        if role.ends_chain || (role.operator && !role.arithmetic) {
            self.arithmetic = 0;
        }
        self.operators += usize::from(role.operator);
        self.arithmetic += usize::from(role.arithmetic);
        self.links += usize::from(role.link || (role.comma && self.in_from));
        self.in_from = role.from || (self.in_from && !role.ends_from);
    }
}

/// What a token means to the counts.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one token")]
struct Role {
    bracket: Bracket,
    operator: bool,
    arithmetic: bool,
    may_be_prefix: bool,
    link: bool,
    comma: bool,
    ends_chain: bool,
    from: bool,
    ends_from: bool,
}

impl Role {
    fn of(token: &Token) -> Self {
        let word = match token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
            _ => String::new(),
        };
        let word = word.as_str();
        let comma = matches!(token, Token::Comma);
        let link = matches!(word, "JOIN" | "UNION" | "EXCEPT" | "INTERSECT");
        let ends_from = matches!(word, "WHERE" | "GROUP" | "HAVING" | "ORDER" | "SELECT");
        let from = word == "FROM";
        let sign = matches!(token, Token::Plus | Token::Minus);
        let arithmetic = sign || matches!(token, Token::Mul | Token::Div | Token::StringConcat);
        Self {
            bracket: match (token, word) {
                (Token::LParen, _) => Bracket::Opens(Kind::Parenthesis),
                (Token::RParen, _) => Bracket::Closes(Kind::Parenthesis),
                (_, "CASE") => Bracket::Opens(Kind::Case),
                (_, "END") => Bracket::Closes(Kind::Case),
                _ => Bracket::None,
            },
            operator: arithmetic || is_operator(token, word),
            arithmetic,
            may_be_prefix: sign || word == "NOT",
            link,
            comma,
            ends_chain: comma
                || link
                || from
                || ends_from
                || matches!(word, "ON" | "WHEN" | "THEN" | "ELSE"),
            from,
            ends_from: ends_from || matches!(word, "UNION" | "EXCEPT" | "INTERSECT"),
        }
    }
}

fn is_operator(token: &Token, word: &str) -> bool {
    let symbol =
        matches!(token, Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq);
    symbol || matches!(word, "AND" | "OR" | "NOT" | "BETWEEN" | "IN" | "LIKE" | "ILIKE" | "IS")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;

    fn check(text: &str, expect: &str) {
        let limits = Limits { bytes: 8_000_000, tokens: 2_000_000, ..Limits::default() };
        let answer = match parse(text, None, &limits) {
            Ok(_) => "parses".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expect), "{answer} for {text:.80}");
    }

    #[test]
    fn bytes_and_tokens() {
        let limits = Limits { bytes: 30, tokens: 4, ..Limits::default() };
        let fails = |text: &str| parse(text, None, &limits).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            fails("SELECT a FROM t -- a long remark"),
            "the query has 32 bytes, more than the limit of 30"
        );
        assert_eq!(fails("SELECT a, b FROM t"), "the query has 6 tokens, more than the limit of 4");
        assert!(parse("SELECT a FROM t", None, &limits).is_ok());
    }

    #[test]
    fn chains() {
        let chain = |operator: &str, n: usize| {
            format!("SELECT a FROM t WHERE a = 1{}", format!(" {operator} 1").repeat(n))
        };
        for operator in ["OR a =", "AND a =", "OR NOT 1 ="] {
            check(&chain(operator, 600), "parses");
            check(&chain(operator, 200_000), "operators in one chain, more than the limit of 2000");
        }
        for operator in ["+", "||", "* 2 -"] {
            check(&chain(operator, 120), "parses");
            check(&chain(operator, 200_000), "arithmetic operators in one chain");
        }
        check(&format!("SELECT a FROM t WHERE a IN (0{})", ", 1".repeat(100_000)), "parses");
        check(&format!("SELECT a{} FROM t", ", a + 1".repeat(5_000)), "parses");
        check(&chain("+ 1 OR 3 <", 300), "parses");
    }

    #[test]
    fn nesting() {
        let nested = |open: &str, close: &str, n: usize| {
            format!("SELECT {}1{} FROM t", open.repeat(n), close.repeat(n))
        };
        for (open, close) in [
            ("(", ")"),
            ("ABS(", ")"),
            ("- ", ""),
            ("CASE WHEN 1 = 1 THEN ", " END"),
            ("(SELECT ", " FROM t)"),
            ("CAST(", " AS REAL)"),
        ] {
            check(&nested(open, close, 60), "parses");
            check(&nested(open, close, 20_000), "levels of nesting, more than the limit of 64");
        }
        check(
            &format!("SELECT a FROM t WHERE {} a = 1", "NOT ".repeat(20_000)),
            "levels of nesting",
        );
    }

    #[test]
    fn joins_and_set_operations() {
        check(&format!("SELECT a FROM t{}", " JOIN u USING (a)".repeat(200)), "parses");
        for link in [" JOIN u USING (a)", " UNION SELECT a FROM t", ", t"] {
            check(&format!("SELECT a FROM t{}", link.repeat(10_000)), "joins and set operations");
        }
    }

    /// sqlparser tries some constructs in two ways; what fails at the bottom must not be tried
    /// 2^depth times.
    #[test]
    fn failures_do_not_multiply() {
        for (open, n) in [
            ("SELECT a FROM ((", 31),
            ("SELECT a FROM t WHERE a IN ((", 31),
            ("SELECT CAST(CASE WHEN ", 1),
            ("SELECT ((SELECT a FROM ((", 15),
        ] {
            check(&format!("{} SELECT ?", open.repeat(n)), "unexpected");
            check(&format!("{} SELECT FROM", open.repeat(n)), "");
        }
        check(&format!("SELECT {}1 1 FROM t", "CAST(".repeat(60)), "expected");
    }
}
