//! A query that is refused while it runs, since the kinds of values are first known then: told apart
//! from what fails, through readers of files and between nodes, which make texts of errors.

use std::error::Error;

use adql::Fault;
use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;

/// How a refusal begins that names a way around (`adql::Error::NotEvaluable`).
const NOT_EVALUABLE: &str = "cannot evaluate ";

/// What the reader of Parquet says of an error of a condition that it tests, before its debug text.
const IN_FILTER: &str = "Error evaluating filter predicate: ";

/// Who has to act on an error, and what it says, if it is a refusal.
pub fn refusal(error: &DataFusionError) -> Option<(Fault, String)> {
    let root = error.find_root();
    let text = match root {
        DataFusionError::External(source) if source.is::<adql::Error>() => {
            let ours = source.downcast_ref::<adql::Error>()?;
            return Some((ours.fault(), ours.to_string()));
        }
        DataFusionError::NotImplemented(text) if text.starts_with(NOT_EVALUABLE) => text.clone(),
        _ => of_value(root)?,
    };
    let fault = if text.starts_with(NOT_EVALUABLE) { Fault::NotEvaluable } else { Fault::User };
    Some((fault, text))
}

/// What an error says of a value that a query has no use for, in the words of ADQL.
fn of_value(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let arrow = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::ArrowError(arrow, _)) => Some(arrow.as_ref()),
            _ => error.downcast_ref(),
        };
        match arrow {
            Some(
                ArrowError::CastError(text)
                | ArrowError::ParseError(text)
                | ArrowError::ArithmeticOverflow(text),
            ) => return Some(in_words(text)),
            _ => cause = error.source(),
        }
    }
    of_filter(&error.to_string())
}

/// The same of an error that is told as the debug text of another.
fn of_filter(text: &str) -> Option<String> {
    let (_, debug) = text.split_once(IN_FILTER)?;
    if let Some(inner) = debug.strip_prefix("External(") {
        return Some(inner[..inner.rfind(')')?].to_owned());
    }
    let kinds = ["CastError", "ParseError", "ArithmeticOverflow"];
    let inner = debug.strip_prefix("ArrowError(")?;
    let quoted = kinds.iter().find_map(|kind| inner.strip_prefix(kind)?.strip_prefix("(\""))?;
    let mut said = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some(in_words(&said)),
            '\\' => said.push(letters.next()?),
            letter => said.push(letter),
        }
    }
}

/// What is said of a value by Arrow, in the words of ADQL.
fn in_words(text: &str) -> String {
    let between = |before: &str, middle: &str, after: &str| {
        let (value, data_type) = text.strip_prefix(before)?.rsplit_once(middle)?;
        Some(format!("CAST: {value} is no {}", type_name(data_type.strip_suffix(after)?)))
    };
    let moment = |rest: &str| Some(format!("CAST: {} is no TIMESTAMP", rest.rsplit_once(": ")?.0));
    let number =
        |rest: &str| format!("{rest} is beyond the range of its type: CAST it to a wider one");
    between("Cannot cast string ", " to value of ", " type")
        .or_else(|| between("Can't cast value ", " to type ", ""))
        .or_else(|| text.strip_prefix("Error parsing timestamp from ").and_then(moment))
        .or_else(|| text.strip_prefix("Overflow happened on: ").map(number))
        .unwrap_or_else(|| text.to_owned())
}

fn type_name(data_type: &str) -> &str {
    match data_type {
        "Int16" => "SMALLINT",
        "Int32" => "INTEGER",
        "Int64" => "BIGINT",
        "Float32" => "REAL",
        "Float64" => "DOUBLE PRECISION",
        other => other,
    }
}

/// An error with its kind in what goes to another node.
pub(crate) fn sent(error: DataFusionError) -> DataFusionError {
    match refusal(&error) {
        Some((Fault::NotEvaluable, text)) => DataFusionError::NotImplemented(text),
        Some((Fault::User, text)) => DataFusionError::Plan(text),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::error::ArrowError;

    use super::*;

    fn not_evaluable() -> adql::Error {
        let (construct, reason) = ("CENTROID".to_owned(), "write (x)".to_owned());
        adql::Error::NotEvaluable { construct, reason, place: None }
    }

    #[test]
    fn refusals_are_known_wherever_they_come_from() {
        let said = "cannot evaluate CENTROID: write (x)";
        let plain = DataFusionError::External(Box::new(not_evaluable()));
        let evaluated = DataFusionError::External(Box::new(not_evaluable()));
        let text = format!("Error evaluating filter predicate: {evaluated:?}");
        let in_filter = DataFusionError::from(ArrowError::ComputeError(text));
        let known = Some((Fault::NotEvaluable, said.to_owned()));
        assert_eq!(refusal(&in_filter), known);
        assert_eq!(refusal(&plain.context("while it ran")), known);
        let there = sent(in_filter);
        assert!(matches!(&there, DataFusionError::NotImplemented(text) if text == said));
        assert_eq!(refusal(&there), known);
    }

    #[test]
    fn values_are_told_in_the_words_of_adql() {
        for (arrow, said) in [
            (
                ArrowError::CastError("Cannot cast string 'a \"b\"' to value of Int32 type".into()),
                "CAST: 'a \"b\"' is no INTEGER",
            ),
            (
                ArrowError::CastError("Can't cast value 7e20 to type Int64".into()),
                "CAST: 7e20 is no BIGINT",
            ),
            (ArrowError::CastError("'x' is no CIRCLE: write".into()), "'x' is no CIRCLE: write"),
            (
                ArrowError::ParseError("Error parsing timestamp from 'M 31': too short".into()),
                "CAST: 'M 31' is no TIMESTAMP",
            ),
            (
                ArrowError::ArithmeticOverflow("Overflow happened on: - -32768".into()),
                "- -32768 is beyond the range of its type: CAST it to a wider one",
            ),
        ] {
            let known = Some((Fault::User, said.to_owned()));
            let plain = DataFusionError::from(arrow);
            let text = format!("{IN_FILTER}{plain:?}");
            let in_filter = ArrowError::ComputeError(text);
            let read = DataFusionError::External(Box::new(DataFusionError::from(in_filter)));
            assert_eq!(refusal(&plain), known);
            assert_eq!(refusal(&read), known);
            assert_eq!(refusal(&DataFusionError::External(Box::new(plain))), known);
        }
    }

    #[test]
    fn other_errors_are_none() {
        let other = DataFusionError::Execution("a disk is full".to_owned());
        assert_eq!(refusal(&other), None);
        assert!(matches!(sent(other), DataFusionError::Execution(_)));
        let other = DataFusionError::NotImplemented("a window".to_owned());
        assert_eq!(refusal(&other), None);
    }
}
