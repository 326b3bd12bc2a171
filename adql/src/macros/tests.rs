//! Macros as users meet them: what a call means, and which declarations are refused.

use std::sync::Arc;

use super::{Declaration, Macro, Parameter};
use crate::sample::{Sample, rows_of};
use crate::{Error, Limits};

fn declared(signature: &str, expression: &str, known: &[Arc<Macro>]) -> Result<Macro, Error> {
    let (name, rest) = signature.split_once('(').unwrap();
    let parameters = rest.trim_end_matches(')').split(", ").filter(|text| !text.is_empty());
    let parameters = parameters.map(|text| {
        let (name, data_type) = text.split_once(' ').unwrap();
        Parameter { name: name.to_owned(), data_type: data_type.to_owned() }
    });
    let declaration = Declaration {
        name: name.to_owned(),
        parameters: parameters.collect(),
        expression: expression.to_owned(),
        description: None,
    };
    Macro::new(declaration, known, &Limits::default())
}

fn all(declarations: &[(&str, &str)]) -> Vec<Arc<Macro>> {
    let mut known = vec![];
    for (signature, expression) in declarations {
        let made = declared(signature, expression, &known).unwrap();
        known.push(Arc::new(made));
    }
    known
}

fn sample() -> Sample {
    Sample::new().with_macros(all(&[
        ("sky_mag(flux DOUBLE)", "-2.5 * LOG10(flux) + 31.4"),
        ("sky_color(f DOUBLE, g DOUBLE)", "sky_mag(f) - sky_mag(g)"),
        ("in_field(ra DOUBLE, dec DOUBLE)", "CONTAINS(POINT(ra, dec), CIRCLE(10.2, 20, 1))"),
        ("sky_sum(x DOUBLE, y DOUBLE)", "x + y"),
        ("zero_point()", "31.4"),
        ("mean_mag(flux DOUBLE)", "sky_mag(AVG(flux))"),
    ]))
}

#[test]
fn a_call_means_what_its_expression_means() {
    for (text, expected) in [
        ("SELECT ROUND(sky_mag(100), 2) AS m FROM Stars WHERE id = 1", &["26.4"] as &[&str]),
        ("SELECT ROUND(SKY_COLOR(100, 10.), 6) AS m FROM Stars WHERE id = 1", &["-2.5"]),
        ("SELECT id FROM Stars WHERE 1 = in_field(ra, dec) ORDER BY id", &["1", "2"]),
        ("SELECT id FROM Stars WHERE in_field(Stars.ra, dec) = 0 ORDER BY id", &["3", "4", "5"]),
        // The expression is one value, and so is each argument.
        ("SELECT 2 * sky_sum(1, 2) AS x FROM Stars WHERE id = 1", &["6"]),
        ("SELECT sky_sum(1 - 3, 2) * 2 AS x FROM Stars WHERE id = 1", &["0"]),
        (
            "SELECT sky_sum(sky_sum(1, MOD(7, 4)), zero_point()) AS x FROM Stars WHERE id = 1",
            &["35.4"],
        ),
        ("SELECT ROUND(mean_mag(id), 3) AS m FROM Stars", &["30.207"]),
        // A column may be called as a macro is.
        (
            "SELECT zero_point FROM (SELECT id AS zero_point FROM Stars) AS t WHERE zero_point = 2",
            &["2"],
        ),
    ] {
        assert_eq!(rows_of(text, sample()).unwrap(), expected, "{text}");
    }
}

#[test]
fn wrong_calls_are_refused_at_their_place() {
    for (text, expected) in [
        (
            "SELECT sky_color(1) FROM Stars",
            "sky_color takes 2 arguments, not 1: write sky_color(f DOUBLE, g DOUBLE) -> DOUBLE at \
             line 1, column 8",
        ),
        ("SELECT sky_mag() FROM Stars", "sky_mag takes 1 argument, not 0"),
        ("SELECT zero_point(1) FROM Stars", "zero_point takes 0 arguments, not 1"),
        ("SELECT sky_sum(1, ) FROM Stars", "an argument of sky_sum is empty"),
        ("SELECT id,\n sky_mag(name) FROM Stars", "(name) is a text at line 2, column 10"),
        ("SELECT sky_mag(nme) FROM Stars", "unknown column nme at line 1, column 16"),
        ("SELECT sky_mag(mag FROM Stars", "found FROM at line 1, column 20"),
        ("SELECT id FROM Stars WHERE mean_mag(mag) > 3", "cannot stand in WHERE"),
    ] {
        let error = rows_of(text, sample()).unwrap_err();
        assert!(error.contains(expected), "{error} for {text}");
    }
}

#[test]
fn what_multiplies_is_bounded() {
    let twice = all(&[("twice(x DOUBLE)", "x + x")]);
    let text = format!("SELECT {}1{} FROM Stars", "twice(".repeat(40), ")".repeat(40));
    let error = rows_of(&text, Sample::new().with_macros(twice.clone())).unwrap_err();
    assert!(error.contains("tokens with those of its macros, more than the limit"), "{error}");
    let mut known = twice;
    for level in 0..40 {
        let below = if level == 0 { "twice".to_owned() } else { format!("m{}", level - 1) };
        let expression = format!("{below}(x) + {below}(x)");
        match declared(&format!("m{level}(x DOUBLE)"), &expression, &known) {
            Ok(made) => known.push(Arc::new(made)),
            Err(error) => return assert!(error.to_string().contains("limit"), "{error}"),
        }
    }
    panic!("an expression of 2^40 terms");
}

#[test]
fn signatures_tell_the_type_of_what_comes_out() {
    let made = |signature: &str, expression: &str| {
        declared(signature, expression, &[]).unwrap().signature()
    };
    assert_eq!(made("m(x REAL)", "x"), "m(x REAL) -> REAL");
    assert_eq!(made("m(x INTEGER)", "x / 2"), "m(x INTEGER) -> BIGINT");
    assert_eq!(made("m(x VARCHAR)", "LOWER(x) || '!'"), "m(x VARCHAR) -> VARCHAR");
    assert_eq!(made("m(p POINT)", "CIRCLE(p, 1)"), "m(p POINT) -> CIRCLE");
    assert_eq!(made("m()", "PI()"), "m() -> DOUBLE");
}

#[test]
fn wrong_declarations_are_refused() {
    for (signature, expression, expected) in [
        ("sky mag()", "1", "sky mag is no name"),
        ("select()", "1", "select is no name"),
        ("sqrt()", "1", "there is a function sqrt already"),
        ("m(x DOUBLE, X DOUBLE)", "x", "there are two parameters X"),
        ("m(x FLOAT)", "x", "the parameter x has the type FLOAT: write SMALLINT, "),
        ("m(x DOUBLE)", "x + ", "expected an expression"),
        ("m(x DOUBLE)", "flx + 1", "unknown column flx"),
        ("m(x DOUBLE)", "x) + (1", "this ) closes nothing of the expression at line 1, column 2"),
        ("m(x DOUBLE)", "(x", "a ( is not closed"),
        ("m(x DOUBLE)", "x, 1", "a macro is one expression at line 1, column 2"),
        ("m(x DOUBLE)", "", "the expression is empty"),
        ("m(x DOUBLE)", "SQRTT(x)", "unknown function SQRTT"),
        ("m(x DOUBLE)", "m(x)", "unknown function m"),
        ("m(x VARCHAR)", "SQRT(x)", "SQRT takes a number here"),
        ("m(x DOUBLE)", "x < 1", "expected a value"),
    ] {
        let error = declared(signature, expression, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} for {signature}: {expression}");
    }
}
