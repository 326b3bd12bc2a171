//! A query that is refused while it runs, since the kinds of values are first known then: told apart
//! from what fails, through readers of files and between nodes, which make texts of errors.

use adql::Fault;
use datafusion::common::DataFusionError;

/// How a refusal begins that names a way around (`adql::Error::NotEvaluable`).
const NOT_EVALUABLE: &str = "cannot evaluate ";

/// What the reader of Parquet says of an error of a condition that it tests, before it and after.
const IN_FILTER: [&str; 2] = ["Error evaluating filter predicate: External(", ")"];

/// Who has to act on an error, and what it says, if it is a refusal.
pub fn refusal(error: &DataFusionError) -> Option<(Fault, String)> {
    let root = error.find_root();
    let ours = match root {
        DataFusionError::External(source) => source.downcast_ref::<adql::Error>(),
        _ => None,
    };
    if let Some(ours) = ours {
        return Some((ours.fault(), ours.to_string()));
    }
    let text = match root {
        DataFusionError::NotImplemented(text) if text.starts_with(NOT_EVALUABLE) => text.clone(),
        other => {
            let text = other.to_string();
            let [before, after] = IN_FILTER;
            let (_, inner) = text.split_once(before)?;
            inner[..inner.rfind(after)?].to_owned()
        }
    };
    let fault = if text.starts_with(NOT_EVALUABLE) { Fault::NotEvaluable } else { Fault::User };
    Some((fault, text))
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
    fn other_errors_are_none() {
        let other = DataFusionError::Execution("a disk is full".to_owned());
        assert_eq!(refusal(&other), None);
        assert!(matches!(sent(other), DataFusionError::Execution(_)));
        let other = DataFusionError::NotImplemented("a window".to_owned());
        assert_eq!(refusal(&other), None);
    }
}
