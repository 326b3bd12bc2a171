//! `ivo_simbadpoint('M31')` (UDF catalogue 1.2 §2): becomes the POINT where the object of this name
//! is, which someone else has asked for before: planning asks nobody.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use super::{Adql, place};
use crate::{Error, Schemas};

/// Names of the function.
const NAMES: [&str; 2] = ["ivo_simbadpoint", "gavo_simbadpoint"];

/// The names of objects whose places a text asks for, each once.
pub fn named_objects(text: &str) -> Vec<String> {
    let Ok(tokens) = Tokenizer::new(&Adql::default(), text).tokenize_with_location() else {
        // Planning says what is wrong.
        return vec![];
    };
    let tokens: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let mut names: Vec<String> = vec![];
    for at in (0..tokens.len()).filter(|at| is_call(&tokens[*at..])) {
        if let Some(name) = argument(&tokens[at..])
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// Whether tokens begin with a call of the function.
fn is_call(tokens: &[TokenWithSpan]) -> bool {
    match tokens {
        [first, second, ..] if second.token == Token::LParen => {
            matches!(&first.token, Token::Word(word) if word.quote_style.is_none()
                && NAMES.iter().any(|name| word.value.eq_ignore_ascii_case(name)))
        }
        _ => false,
    }
}

/// The one argument of a call, if it is a text.
fn argument(tokens: &[TokenWithSpan]) -> Option<&str> {
    match tokens {
        [_, _, name, end, ..] if end.token == Token::RParen => match &name.token {
            Token::SingleQuotedString(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// Puts places where names are.
pub(super) fn as_points(
    tokens: Vec<TokenWithSpan>,
    schemas: &dyn Schemas,
) -> Result<Vec<TokenWithSpan>, Error> {
    if !(0..tokens.len()).any(|at| is_call(&tokens[at..])) {
        return Ok(tokens);
    }
    let mut written = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(found) = tokens.get(at) {
        if !is_call(&tokens[at..]) {
            written.push(found.clone());
            at += 1;
            continue;
        }
        let (here, span) = (place(found.span), found.span);
        let name = found.token.to_string();
        let Some(object) = argument(&tokens[at..]) else {
            let message = format!("{name} takes one name in quotes, as in {name}('M31')");
            return Err(Error::NotAllowed { message, place: here });
        };
        let Some([ra, dec]) = schemas.place_of(object) else {
            let reason = format!(
                "this service asks no one where '{object}' is: write POINT(ra, dec), or another \
                 service's answer"
            );
            return Err(Error::NotEvaluable {
                construct: "ivo_simbadpoint".to_owned(),
                reason,
                place: here,
            });
        };
        written.extend(point(ra, dec).map(|token| TokenWithSpan { token, span }));
        at += 4;
    }
    Ok(written)
}

fn point(ra: f64, dec: f64) -> impl Iterator<Item = Token> + use<> {
    let name = Word { value: "POINT".to_owned(), quote_style: None, keyword: Keyword::NoKeyword };
    let number = |x: f64| Token::Number(format!("{:?}", x.abs()), false);
    let sign = (dec < 0.0).then_some(Token::Minus);
    [Token::Word(name), Token::LParen, number(ra.rem_euclid(360.0)), Token::Comma]
        .into_iter()
        .chain(sign)
        .chain([number(dec), Token::RParen])
}

#[cfg(test)]
mod tests {
    use super::named_objects;
    use crate::sample::{Sample, rows_of};

    #[test]
    fn names_are_found_in_calls_alone() {
        for (text, expected) in [
            ("SELECT ivo_simbadpoint('M31') FROM t", &["M31"] as &[&str]),
            ("SELECT GAVO_SIMBADPOINT ( -- who\n 'O''Neill' ) FROM t", &["O'Neill"]),
            (
                "SELECT * FROM t WHERE 1 = CONTAINS(ivo_simbadpoint('a'), \
                 CIRCLE(ivo_simbadpoint('b'), 1)) OR ivo_simbadpoint('a') = p",
                &["a", "b"],
            ),
            (
                "SELECT 'ivo_simbadpoint(''M31'')', ivo_simbadpoint(name), ivo_simbadpoint FROM t",
                &[],
            ),
            ("SELECT 'unclosed", &[]),
        ] {
            assert_eq!(named_objects(text), expected, "{text}");
        }
    }

    #[test]
    fn places_stand_for_names_and_prune_as_points_do() {
        let near = |object: &str| {
            format!(
                "SELECT id FROM stars WHERE 1 = CONTAINS(POINT(ra, dec), \
                 CIRCLE(ivo_simbadpoint('{object}'), 1)) ORDER BY id"
            )
        };
        let sample =
            Sample::new().with_places(&[("Alpha", [10.2, 20.0]), ("south", [200.0, -30.0])]);
        assert_eq!(rows_of(&near("Alpha"), sample.clone()).unwrap(), ["1", "2"]);
        assert_eq!(rows_of(&near("south"), sample.clone()).unwrap(), ["3"]);
        for (text, expected) in [
            (
                near("Beta"),
                "cannot evaluate ivo_simbadpoint at line 1, column 64: this service asks no one \
                 where 'Beta' is: write POINT(ra, dec), or another service's answer",
            ),
            (
                "SELECT ivo_simbadpoint(name) FROM stars".to_owned(),
                "ivo_simbadpoint takes one name in quotes, as in ivo_simbadpoint('M31') at line 1, \
                 column 8",
            ),
        ] {
            assert_eq!(rows_of(&text, sample.clone()).unwrap_err(), expected);
        }
    }
}
