//! `mag[jplus::rSDSS]`: the number of a named position of an array.
//!
//! Names are declared with the table that has the array, as `[enumerations]` of its `table.toml`,
//! and known wherever the column is handed on.

use datafusion::sql::sqlparser::ast::{Expr, Function, Spanned, UnaryOperator, Value};

use super::kind::{Kind, shown};
use super::metadata::{Metadata, text_of};
use super::nearest;
use super::scope::Env;
use crate::Error;
use crate::parser::{place, tree};

/// Numbers the named position of an element of an array, whose names are resolved, and refuses one
/// that is not there.
pub(super) fn number(call: &mut Function, env: &Env<'_>) -> Result<(), Error> {
    let here = place(call.name.span());
    let refused = |message: String| Err(Error::NotAllowed { message, place: here });
    let arguments = tree::arguments(call);
    let [array, index] = arguments.as_slice() else { return Ok(()) };
    let of = Metadata::of(array, env);
    if let (None, Some(kind @ (Kind::Number | Kind::Text | Kind::Moment))) = (&of.array, of.kind) {
        let (array, kind) = (shown(array), kind.word());
        return refused(format!("{array} is {kind}, and only arrays have an index"));
    }
    let length = of.array.as_ref().and_then(|array| array.length);
    if let Some(written) = whole_number(index) {
        if written < 1 || length.is_some_and(|length| written > length) {
            let array = shown(array);
            let last = length.map_or_else(String::new, |length| format!(" to {length}"));
            return refused(format!("{array} has no element {written}: write 1{last}"));
        }
        return Ok(());
    }
    let Some(text) = text_of(index) else { return Ok(()) };
    let at = match position(&text, &of) {
        Ok(at) => at,
        Err((kind, near)) => {
            return Err(Error::Unknown { kind, name: text, place: here, near });
        }
    };
    if let Some(index) = tree::arguments_mut(call).pop() {
        *index = tree::number(at);
    }
    Ok(())
}

/// The number of a name as `names::name`, from 1.
fn position(text: &str, of: &Metadata) -> Result<usize, (&'static str, Vec<String>)> {
    let enumerations = of.array.as_ref().and_then(|array| array.enumerations.as_deref());
    let all = || enumerations.into_iter().flatten();
    let (names, name) = text.split_once("::").unwrap_or_default();
    let Some((names, members)) = all().find(|(known, _)| known.eq_ignore_ascii_case(names)) else {
        let near = nearest(names, all().map(|(known, _)| known.clone()));
        return Err(("enumeration", near));
    };
    let exact = members.iter().position(|known| known == name);
    let found = exact.or_else(|| members.iter().position(|known| known.eq_ignore_ascii_case(name)));
    found.map(|at| at + 1).ok_or_else(|| {
        let near = nearest(name, members.iter().cloned());
        ("position", near.into_iter().map(|name| format!("{names}::{name}")).collect())
    })
}

fn whole_number(index: &Expr) -> Option<i64> {
    let (sign, size) = match tree::bare(index) {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => (-1, tree::bare(expr)),
        other => (1, other),
    };
    match size {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<i64>().ok().map(|size| sign * size),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::sample::rows;

    fn check(text: &str, expect: &str) {
        let answer = rows(text).map(|rows| rows.join("; "));
        assert_eq!(answer.as_deref(), Ok(expect), "for {text}");
    }

    fn check_error(text: &str, expect: &str) {
        let error = rows(text).expect_err(text);
        assert!(error.contains(expect), "{error} for {text}, not {expect}");
    }

    #[test]
    fn elements_by_number_and_by_name() {
        check("SELECT mags[1] AS m FROM a.bands ORDER BY id", "18.0; ; ; ");
        check("SELECT b.mags[jplus::gSDSS] AS m FROM a.bands AS b ORDER BY id", "17.5; 20.25; ; ");
        check("SELECT errors[JPLUS::rsdss] AS m FROM bands WHERE id = 1", "");
        check("SELECT errors[id] AS m FROM bands WHERE id < 5 ORDER BY id", "1.0; 1.0; ; ");
        check("SELECT mags[9] AS m FROM bands WHERE id = 1", "");
        check("SELECT ROUND(AVG(mags[2]), 3) AS m FROM bands", "18.875");
        check("SELECT id FROM bands WHERE mags[jplus::rSDSS] < 20", "2");
        check("SELECT id FROM bands ORDER BY errors[4 - 3] * 2 DESC", "4; 3; 2; 1");
        check(
            "SELECT x.m[jplus::gSDSS] AS g FROM (SELECT mags AS m FROM bands WHERE id = 2) AS x",
            "20.25",
        );
        check("SELECT armilla_element(mags, 2) AS m FROM bands WHERE id = 1", "17.5");
        check("SELECT mags[CAST(errors[1] AS INTEGER)] AS m FROM bands WHERE id = 2", "20.25");
    }

    #[test]
    fn wrong_indexes_are_refused_at_their_place() {
        check_error(
            "SELECT id,\n errors[jplus::iSDSS] FROM bands",
            "unknown position jplus::iSDSS at line 2, column 2; nearest: jplus::",
        );
        check_error(
            "SELECT mags[jpas::g] FROM bands",
            "unknown enumeration jpas::g at line 1, column 8",
        );
        check_error(
            "SELECT errors[4] FROM bands",
            "errors has no element 4: write 1 to 3 at line 1",
        );
        check_error(
            "SELECT mags[0] FROM bands",
            "mags has no element 0: write 1 at line 1, column 8",
        );
        check_error("SELECT mags[1 - id] FROM bands", "an array has no element 0: the first is 1");
        check_error(
            "SELECT id[1] FROM bands",
            "id is a number, and only arrays have an index at line 1",
        );
        check_error("SELECT mags[1 FROM bands", "this [ is not closed at line 1, column 12");
        check_error("SELECT mags 1] FROM bands", "unexpected ] at line 1, column 14");
        let many = format!("SELECT mags{} FROM bands", "[1]".repeat(200_000));
        check_error(&many, "a value has at most 16 indexes at line 1, column 60");
        check_error("SELECT [id] FROM bands", "unexpected [: names with special characters");
        check_error("SELECT id FROM [bands]", "unexpected [: names with special characters");
        check_error("SELECT id::text FROM bands", "unexpected '::': write CAST(x AS type)");
        check_error("SELECT mags[id::text] FROM bands", "unknown enumeration id::text");
        check_error("SELECT mags[1 + id::text] FROM bands", "unexpected '::': write CAST");
        check_error("SELECT mags[1] || 'x' = 'a' FROM bands", "expected a value");
        check_error(
            "SELECT id FROM bands WHERE mags[1] = 'x'",
            "mags[1] is a number, and 'x' a text that is none",
        );
    }
}
