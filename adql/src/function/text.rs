//! Texts in texts (UDF catalogue 1.2 §4): `ivo_nocasematch`, `ivo_hasword`, `ivo_hashlist_has`.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{cast, ilike};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ScalarUDF, Volatility};

use super::of_rows::{Kind, OfRows, relation_of_texts, texts};

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    type Evaluate = fn(&[ArrayRef]) -> Result<ArrayRef>;
    let all: [(&'static str, &'static str, Evaluate); 3] = [
        ("adql_nocasematch", "ivo_nocasematch", matches_pattern),
        ("adql_hasword", "ivo_hasword", |arrays| Ok(relation_of_texts(arrays, has_words))),
        ("adql_hashlist_has", "ivo_hashlist_has", |arrays| {
            Ok(relation_of_texts(arrays, is_listed))
        }),
    ];
    let function = |(name, written, evaluate)| OfRows {
        name,
        written,
        arguments: &[Kind::Text, Kind::Text],
        result: DataType::Int32,
        volatility: Volatility::Immutable,
        evaluate,
    };
    all.into_iter().map(|all| function(all).function()).collect()
}

/// What ILIKE says, as a number.
fn matches_pattern(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let matches = ilike(texts(&arrays[0]), texts(&arrays[1]))?;
    Ok(cast(&matches, &DataType::Int32)?)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Whether each word of the second text is a word of the first, in any case; there is one at least.
fn has_words(text: &str, wanted: &str) -> bool {
    let there: Vec<String> = words(text).collect();
    let mut wanted = words(wanted).peekable();
    wanted.peek().is_some() && wanted.all(|word| there.contains(&word))
}

/// Whether a text is an item of a list with `#` between its items, in any case; one with `#` is none.
fn is_listed(list: &str, item: &str) -> bool {
    let item = item.to_lowercase();
    list.to_lowercase().split('#').any(|listed| listed == item)
}

#[cfg(test)]
mod tests {
    use super::{has_words, is_listed};

    #[test]
    fn words_are_whole_and_in_any_case() {
        assert!(has_words("The Crab-nebula (M1)", "m1 NEBULA"));
        assert!(has_words("Ångström", "ångstRÖM"));
        assert!(!has_words("nebulae", "nebula"));
        assert!(!has_words("anything", "") && !has_words("", "x") && !has_words("a", " - "));
    }

    #[test]
    fn items_are_whole() {
        assert!(is_listed("a##b", "") && is_listed("a#B", "b"));
        assert!(!is_listed("a#b", "a#b") && !is_listed("ab", "a"));
    }
}
