//! `column[index]`, an extension: becomes a call of the function that has the element.
//!
//! ```text
//! mag[2]                ->   ARMILLA_ELEMENT(mag, 2)
//! mag[jplus::rSDSS]     ->   ARMILLA_ELEMENT(mag, 'jplus::rSDSS')
//! ```

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::place;
use super::tokens::error;
use super::words::is_structure;
use crate::Error;
use crate::function::ELEMENT;

/// A value has so many indexes at most: each moves what follows its beginning.
const INDEXES_MAX: usize = 16;

/// A bracket that is open.
struct Open {
    span: Span,
    /// Where the call begins.
    call: usize,
    /// How many indexes the value has with this one.
    count: usize,
    /// Where the index begins.
    index: usize,
}

/// Writes brackets as calls.
pub(super) fn as_calls(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Error> {
    let foreign =
        |token: &Token| matches!(token, Token::LBracket | Token::RBracket | Token::DoubleColon);
    if !tokens.iter().any(|found| foreign(&found.token)) {
        return Ok(tokens);
    }
    let mut written: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut open: Vec<Open> = vec![];
    // Where the last call begins and ends, and how many indexes it has: it may have another.
    let mut last: Option<(usize, usize, usize)> = None;
    let mut rest = tokens.into_iter().peekable();
    while let Some(found) = rest.next() {
        let span = found.span;
        let own = |token: Token| TokenWithSpan { token, span };
        match found.token {
            Token::LBracket => {
                let base = match last {
                    Some((call, end, count)) if end == written.len() => Some((call, count + 1)),
                    _ => column_before(&written).map(|call| (call, 1)),
                };
                let Some((call, count)) = base else {
                    let message = "unexpected [: names with special characters are written \"…\", \
                                   and an index follows a column, as in mag[1]";
                    return error(message.to_owned(), span);
                };
                if count > INDEXES_MAX {
                    let message = format!("a value has at most {INDEXES_MAX} indexes");
                    return error(message, span);
                }
                let at = written[call].span;
                let name = Word {
                    value: ELEMENT.to_owned(),
                    quote_style: None,
                    keyword: Keyword::NoKeyword,
                };
                let begin = [Token::Word(name), Token::LParen];
                written.splice(call..call, begin.map(|token| TokenWithSpan { token, span: at }));
                written.push(own(Token::Comma));
                open.push(Open { span, call, count, index: written.len() });
            }
            Token::RBracket => {
                let Some(Open { call, count, .. }) = open.pop() else {
                    return error("unexpected ]".to_owned(), span);
                };
                written.push(own(Token::RParen));
                last = Some((call, written.len(), count));
            }
            Token::DoubleColon => {
                let next = rest.next().map(|next| next.token);
                let closed = rest.peek().is_some_and(|end| end.token == Token::RBracket);
                let begun = open.last().is_some_and(|open| open.index + 1 == written.len());
                match (written.pop().map(|before| before.token), next) {
                    (Some(Token::Word(name)), Some(Token::Word(member))) if begun && closed => {
                        let text = format!("{}::{}", name.value, member.value);
                        written.push(own(Token::SingleQuotedString(text)));
                    }
                    _ => {
                        let message = "unexpected '::': write CAST(x AS type)";
                        return error(message.to_owned(), span);
                    }
                }
            }
            token => written.push(own(token)),
        }
    }
    match open.first() {
        None => Ok(written),
        Some(Open { span, .. }) => Err(Error::NotAllowed {
            message: "this [ is not closed".to_owned(),
            place: place(*span),
        }),
    }
}

/// Where the name of a column begins that ends here: words with periods between them.
fn column_before(written: &[TokenWithSpan]) -> Option<usize> {
    let is_name = |at: usize| match &written[at].token {
        Token::Word(word) => word.quote_style.is_some() || !is_structure(&word.value),
        _ => false,
    };
    let mut first = written.len().checked_sub(1).filter(|&at| is_name(at))?;
    while first >= 2 && written[first - 1].token == Token::Period && is_name(first - 2) {
        first -= 2;
    }
    Some(first)
}
