//! Reduces the tokens of SQL to those of ADQL (ADQL 2.1, grammar, `<token>`).
//!
//! Words that build no syntax of ADQL lose their keyword: `sqlparser` then takes them as names,
//! and LIMIT, OVER, QUALIFY, UNNEST and the like cannot mean anything. Reserved words in the
//! place of a name are refused here, where their place is known.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace, Word};

use super::words::{is_regular, is_reserved, is_structure, is_type, type_advice};
use crate::{Error, Place};

pub(super) fn error<T>(message: String, span: Span) -> Result<T, Error> {
    let place = Place { line: span.start.line, column: span.start.column };
    Err(Error::Syntax { message, place })
}

/// Drops white space, comments and a `;` at the end; refuses what no token of ADQL is.
pub(super) fn significant(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut ended = false;
    for token in tokens {
        match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(_)) => {
                let message = "unexpected /*: comments begin with -- and end with the line";
                return error(message.to_owned(), token.span);
            }
            Token::Whitespace(_) => {}
            _ if ended => {
                let message = format!(
                    "expected the end of the query after ;, found {}: only one query is evaluated",
                    token.token
                );
                return error(message, token.span);
            }
            Token::SemiColon => ended = true,
            found => match advice(found) {
                None => kept.push(token),
                Some("") => return error(format!("unexpected {found}"), token.span),
                Some(advice) => return error(format!("unexpected {advice}"), token.span),
            },
        }
    }
    Ok(kept)
}

/// Nothing for a token of ADQL; else what to write in its place, or an empty text.
fn advice(token: &Token) -> Option<&'static str> {
    match token {
        Token::Word(_)
        | Token::Number(_, false)
        | Token::SingleQuotedString(_)
        | Token::Comma
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::StringConcat
        | Token::LParen
        | Token::RParen
        | Token::Period
        // Those of `column[index]` and `column[names::name]`.
        | Token::LBracket
        | Token::RBracket
        | Token::DoubleColon => None,
        Token::Mod => Some("%: write MOD(x, y)"),
        Token::DoubleEq => Some("'==': write ="),
        Token::Char('`') => Some("`: names with special characters are written \"…\""),
        Token::Char('‘' | '’' | '“' | '”' | '„' | '«' | '»') => {
            Some("quotes (‘ ’ “ ”): texts are written '…', and names with special characters \"…\"")
        }
        Token::Char('≤') => Some("≤: write <="),
        Token::Char('≥') => Some("≥: write >="),
        Token::Char('≠') => Some("≠: write <>"),
        Token::Char('−' | '–') => Some("a dash: write - for minus"),
        Token::Char('\u{200b}' | '\u{feff}' | '\u{a0}' | '\u{2060}') => {
            Some("a character that cannot be seen (as web pages have): write a blank in its place")
        }
        Token::Sharp => Some("#: comments begin with --"),
        Token::Caret => Some("^: write POWER(x, y)"),
        Token::Overlap => Some("&&: write AND"),
        Token::Tilde => Some("~: write LIKE, with % and _"),
        Token::ExclamationMark => Some("!: write NOT"),
        _ => Some(""),
    }
}

/// Takes the keyword from all words but those that build the syntax of ADQL.
pub(super) fn reduce(mut tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    check_begin(&tokens)?;
    check_from(&tokens)?;
    for index in 0..tokens.len() {
        check_string(index, &tokens)?;
        let demote = match &tokens[index].token {
            Token::Word(word) => !keeps_keyword(word, index, &tokens)?,
            _ => false,
        };
        if let (true, Token::Word(word)) = (demote, &mut tokens[index].token) {
            word.keyword = Keyword::NoKeyword;
        }
    }
    Ok(tokens)
}

/// A string in the place of a name, as in FROM 'table' or AS 'name'.
fn check_string(index: usize, tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let Token::SingleQuotedString(text) = &tokens[index].token else { return Ok(()) };
    match word_at(tokens, index.checked_sub(1)).as_deref() {
        Some("FROM" | "JOIN" | "AS") => {
            error(format!("'{text}' is a string: names are written \"{text}\""), tokens[index].span)
        }
        _ => Ok(()),
    }
}

/// The word at a position, in capitals, if it is one without quotes.
fn word_at(tokens: &[TokenWithSpan], index: Option<usize>) -> Option<String> {
    match tokens.get(index?).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => {
            Some(word.value.to_ascii_uppercase())
        }
        _ => None,
    }
}

fn check_begin(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let Some(first) = tokens.iter().find(|token| token.token != Token::LParen) else {
        let place = Place { line: 1, column: 1 };
        return Err(Error::Syntax { message: "the query is empty".to_owned(), place });
    };
    let known = matches!(&first.token, Token::Word(word) if word.quote_style.is_none()
        && (word.value.eq_ignore_ascii_case("SELECT") || word.value.eq_ignore_ascii_case("WITH")));
    if known {
        return Ok(());
    }
    let message =
        format!("expected SELECT or WITH, found {}: only queries are evaluated", first.token);
    error(message, first.span)
}

/// FROM is mandatory (ADQL 2.1, grammar, `<select_query>`); without any, its absence is the error.
fn check_from(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let has_from = (0..tokens.len()).any(|i| word_at(tokens, Some(i)).as_deref() == Some("FROM"));
    match tokens.last() {
        Some(last) if !has_from && tokens.len() > 1 => {
            let place = Place { line: last.span.end.line, column: last.span.end.column };
            Err(Error::Syntax { message: "FROM is missing".to_owned(), place })
        }
        _ => Ok(()),
    }
}

/// Whether a word stays a keyword; an error if it may not stand here at all.
fn keeps_keyword(word: &Word, index: usize, tokens: &[TokenWithSpan]) -> Result<bool, Error> {
    let span = tokens[index].span;
    if word.quote_style.is_some() {
        return match word.value.is_empty() {
            true => error("the name in double quotes is empty".to_owned(), span),
            false => Ok(false),
        };
    }
    if !is_regular(&word.value) {
        let value = &word.value;
        let message = format!(
            "{value} is not a regular identifier (a Latin letter, then letters, digits and _): \
             write \"{value}\""
        );
        return error(message, span);
    }
    let next = tokens.get(index + 1).map(|token| &token.token);
    check_foreign(word, index, tokens)?;
    if is_structure(&word.value) {
        check_count(word, tokens.get(index + 1))?;
        return Ok(true);
    }
    let before = word_at(tokens, index.checked_sub(1));
    match before.as_deref() {
        Some("AS") if word.value.eq_ignore_ascii_case("DOUBLE") && next == Some(&Token::RParen) => {
            return unknown_type(word, span);
        }
        Some("AS") if is_type(&word.value) => return Ok(true),
        Some("DOUBLE") if word.value.eq_ignore_ascii_case("PRECISION") => return Ok(true),
        _ => {}
    }
    // A function, or a schema as in public.stars.
    let named = matches!(next, Some(Token::LParen | Token::Period));
    if named || !is_reserved(&word.value) {
        return Ok(false);
    }
    let geometry =
        matches!(word.value.to_ascii_uppercase().as_str(), "POINT" | "CIRCLE" | "POLYGON");
    match (before.as_deref(), next) {
        (Some("AS"), Some(Token::RParen)) if geometry => Ok(false),
        (Some("AS"), Some(Token::RParen)) => unknown_type(word, span),
        _ => reserved(word, span),
    }
}

fn unknown_type<T>(word: &Word, span: Span) -> Result<T, Error> {
    let advice = type_advice(&word.value);
    error(format!("unknown type {}: write {advice}", word.value), span)
}

fn reserved<T>(word: &Word, span: Span) -> Result<T, Error> {
    let value = &word.value;
    if value.eq_ignore_ascii_case("FETCH") {
        return error("FETCH is not part of ADQL: write SELECT TOP n …".to_owned(), span);
    }
    if value.eq_ignore_ascii_case("ESCAPE") {
        let message = "ESCAPE is not part of ADQL: % and _ of a pattern stand for any letters";
        return error(message.to_owned(), span);
    }
    error(
        format!(
            "{value} is a reserved word of ADQL: a column or table of that name is written \
             \"{value}\""
        ),
        span,
    )
}

/// Names what users of other SQLs write most often.
fn check_foreign(word: &Word, index: usize, tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let next = tokens.get(index + 1).map(|token| &token.token);
    let span = tokens[index].span;
    match (word.value.to_ascii_uppercase().as_str(), next) {
        ("LIMIT", Some(Token::Number(n, _))) => {
            error(format!("LIMIT is not part of ADQL: write SELECT TOP {n} …"), span)
        }
        // A name before OVER and a parenthesis after it can only be a window.
        ("OVER", Some(Token::LParen)) if index > 0 && tokens[index - 1].token == Token::RParen => {
            error("OVER is not part of ADQL: there are no window functions".to_owned(), span)
        }
        ("RECURSIVE", Some(Token::Word(next)))
            if word_at(tokens, index.checked_sub(1)).as_deref() == Some("WITH")
                && !next.value.eq_ignore_ascii_case("AS") =>
        {
            error("RECURSIVE is not part of ADQL: no WITH query names itself".to_owned(), span)
        }
        ("MINUS", Some(Token::Word(next))) if next.value.eq_ignore_ascii_case("SELECT") => {
            error("MINUS is not part of ADQL: write EXCEPT".to_owned(), span)
        }
        (quantifier @ ("DISTINCT" | "ALL"), _)
            if word_at(tokens, index.checked_sub(2)).as_deref() == Some("TOP") =>
        {
            let n = &tokens[index - 1].token;
            error(
                format!("TOP stands behind {quantifier}: write SELECT {quantifier} TOP {n}"),
                span,
            )
        }
        (before @ ("FROM" | "JOIN"), None) => {
            let message = format!("expected a table after {before}, found the end of the query");
            let end = span.end;
            error(message, Span::new(end, end))
        }
        (before @ ("FROM" | "JOIN"), Some(Token::Word(next)))
            if next.quote_style.is_none() && is_structure(&next.value) =>
        {
            let message = format!("expected a table after {before}, found {}", next.value);
            error(message, tokens[index + 1].span)
        }
        ("NULLS", Some(Token::Word(word))) => {
            let which = word.value.to_ascii_uppercase();
            if which == "FIRST" || which == "LAST" {
                let message = format!(
                    "NULLS {which} is not part of ADQL: NULLs come last, and first with DESC"
                );
                return error(message, span);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// TOP and OFFSET take digits only (ADQL 2.1, grammar, `<set_limit>`, `<offset_clause>`).
fn check_count(word: &Word, next: Option<&TokenWithSpan>) -> Result<(), Error> {
    let name = word.value.to_ascii_uppercase();
    if name != "TOP" && name != "OFFSET" {
        return Ok(());
    }
    match next {
        None => Ok(()),
        Some(TokenWithSpan { token: Token::Number(digits, _), .. })
            if digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.parse::<i64>().is_ok() =>
        {
            Ok(())
        }
        Some(found) => error(
            format!("{name} needs an unsigned whole number, found {}", found.token),
            found.span,
        ),
    }
}
