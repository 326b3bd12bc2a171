//! Macros in a text: a call becomes the expression that it stands for, before anything is parsed.
//!
//! On tokens, so that the limits of a query count what it becomes, and that no later part needs to
//! know of macros. What comes from a macro has the place of its call.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use super::{Adql, place, subscript, tokens, unreadable};
use crate::macros::Macro;
use crate::{Error, Limits};

/// The expression of a macro, its own calls of macros expanded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Token(Token),
    /// The parameter of this number.
    Parameter(usize),
}

impl Body {
    /// Reads an expression over parameters.
    pub(crate) fn read(
        text: &str,
        parameters: &[&str],
        known: &[impl AsRef<Macro>],
        limits: &Limits,
    ) -> Result<Self, Error> {
        limits.check_text(text)?;
        let read = Tokenizer::new(&Adql::default(), text).tokenize_with_location();
        let read =
            subscript::as_calls(tokens::significant(read.map_err(|e| unreadable(&e, None))?)?)?;
        balanced(&read)?;
        let read = expand(read, known, limits)?;
        let pieces = read.into_iter().map(|found| {
            let parameter = parameters.iter().position(|name| is_word(&found.token, name));
            parameter.map_or(Piece::Token(found.token), Piece::Parameter)
        });
        Ok(Self(pieces.collect()))
    }
}

/// An expression that closes no parenthesis of what it is put into.
fn balanced(read: &[TokenWithSpan]) -> Result<(), Error> {
    let mut depth = 0_usize;
    for found in read {
        let here = place(found.span);
        depth = match found.token {
            Token::LParen => depth + 1,
            Token::RParen => depth.checked_sub(1).ok_or_else(|| {
                let message = "this ) closes nothing of the expression".to_owned();
                Error::NotAllowed { message, place: here }
            })?,
            Token::Comma if depth == 0 => {
                let message = "a macro is one expression".to_owned();
                return Err(Error::NotAllowed { message, place: here });
            }
            _ => depth,
        };
    }
    if depth == 0 && !read.is_empty() {
        return Ok(());
    }
    let message = if depth > 0 { "a ( is not closed" } else { "the expression is empty" };
    Err(Error::NotAllowed { message: message.to_owned(), place: None })
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
}

/// Puts the expressions of macros in the place of their calls.
pub(super) fn expand(
    tokens: Vec<TokenWithSpan>,
    known: &[impl AsRef<Macro>],
    limits: &Limits,
) -> Result<Vec<TokenWithSpan>, Error> {
    let called = |at: usize, tokens: &[TokenWithSpan]| {
        let is_call = tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen);
        known.iter().map(AsRef::as_ref).find(|m| is_call && is_word(&tokens[at].token, &m.name))
    };
    if !(0..tokens.len()).any(|at| called(at, &tokens).is_some()) {
        return Ok(tokens);
    }
    let mut expanded: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // The calls that are open: where their arguments begin in what is expanded.
    let mut open: Vec<Call<'_>> = vec![];
    let mut depth = 0_usize;
    for (at, found) in tokens.iter().enumerate() {
        match &found.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(called) = called(at, &tokens) {
            let (span, begin) = (found.span, expanded.len());
            open.push(Call { called, span, depth, begin, commas: vec![] });
            continue;
        }
        let Some(call) = open.last_mut() else {
            expanded.push(found.clone());
            continue;
        };
        match found.token {
            // Its own parenthesis.
            Token::LParen if depth == call.depth + 1 && expanded.len() == call.begin => {
                call.begin += 1;
                expanded.push(found.clone());
            }
            Token::Comma if depth == call.depth + 1 => {
                call.commas.push(expanded.len());
                expanded.push(found.clone());
            }
            Token::RParen if depth == call.depth => {
                if let Some(call) = open.pop() {
                    let arguments = expanded.split_off(call.begin);
                    expanded.pop();
                    let given = call.given(&arguments)?;
                    // What is given is written as often as the parameter is.
                    let actual = expanded.len() + call.size(&given) + tokens.len() - at;
                    if actual > limits.tokens {
                        let (unit, limit) = ("tokens with those of its macros", limits.tokens);
                        return Err(Error::TooLarge { unit, limit, actual });
                    }
                    call.put(&given, &mut expanded);
                }
            }
            _ => expanded.push(found.clone()),
        }
    }
    // Calls that are never closed are for the parser to refuse.
    Ok(if open.is_empty() { expanded } else { tokens })
}

/// A call of a macro whose arguments are being read.
#[derive(Debug)]
struct Call<'a> {
    called: &'a Macro,
    span: Span,
    /// How many parentheses are open around it.
    depth: usize,
    /// Where its first argument begins.
    begin: usize,
    commas: Vec<usize>,
}

impl Call<'_> {
    /// Its arguments.
    fn given<'t>(&self, arguments: &'t [TokenWithSpan]) -> Result<Vec<&'t [TokenWithSpan]>, Error> {
        let ends = self.commas.iter().map(|comma| comma - self.begin).chain([arguments.len()]);
        let begins = self.commas.iter().map(|comma| comma - self.begin + 1);
        let given = [0].into_iter().chain(begins).zip(ends);
        let mut given: Vec<&[TokenWithSpan]> =
            given.map(|(begin, end)| &arguments[begin..end]).collect();
        if arguments.is_empty() {
            given.clear();
        }
        let Macro { name, parameters, .. } = self.called;
        let (wanted, count) = (parameters.len(), given.len());
        let message = if count != wanted {
            let plural = if wanted == 1 { "" } else { "s" };
            format!("{name} takes {wanted} argument{plural}, not {count}")
        } else if given.iter().any(|argument| argument.is_empty()) {
            format!("an argument of {name} is empty")
        } else {
            return Ok(given);
        };
        let message = format!("{message}: write {}", self.called.signature());
        Err(Error::NotAllowed { message, place: place(self.span) })
    }

    /// How many tokens it becomes.
    fn size(&self, given: &[&[TokenWithSpan]]) -> usize {
        let size = |piece: &Piece| match piece {
            Piece::Token(_) => 1,
            Piece::Parameter(at) => given[*at].len() + 2,
        };
        self.called.body().0.iter().map(size).sum::<usize>() + 2
    }

    fn put(&self, given: &[&[TokenWithSpan]], expanded: &mut Vec<TokenWithSpan>) {
        let own = |token: Token| TokenWithSpan { token, span: self.span };
        expanded.push(own(Token::LParen));
        for piece in &self.called.body().0 {
            match piece {
                Piece::Token(token) => expanded.push(own(token.clone())),
                Piece::Parameter(at) => {
                    expanded.push(own(Token::LParen));
                    expanded.extend(given[*at].iter().cloned());
                    expanded.push(own(Token::RParen));
                }
            }
        }
        expanded.push(own(Token::RParen));
    }
}
