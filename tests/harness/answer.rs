//! Answers as text cells, and when two of them are equal.
//!
//! Equal means (design.md §9): the same rows in any order, floats to 1e-12 relative; with a total ORDER BY
//! the same rows in the same order; with TOP and no ORDER BY the same count, every row one of the whole.

use std::fmt::Write as _;

/// How far two floats may be apart, relative to the larger.
const RELATIVE: f64 = 1e-12;

/// What is left of terms near 1 that cancel each other: an average of cosines that is 0.
const ABSOLUTE: f64 = 1e-14;

/// A table of text cells; an empty cell is NULL (CSV knows no difference).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The cells of each row.
    pub rows: Vec<Vec<String>>,
}

impl Answer {
    /// Reads CSV with a header line (RFC 4180).
    pub fn from_csv(text: &str) -> Self {
        let mut records = records(text);
        if records.is_empty() {
            return Self::default();
        }
        let columns = records.remove(0);
        Self { columns, rows: records }
    }

    /// The single cell of an answer of one row and one column.
    pub fn single(&self) -> Option<&str> {
        match self.rows.as_slice() {
            [row] => match row.as_slice() {
                [cell] => Some(cell),
                _ => None,
            },
            _ => None,
        }
    }

    /// The cells of one column.
    pub fn column(&self, name: &str) -> Vec<&str> {
        let Some(index) = self.columns.iter().position(|column| column == name) else {
            return Vec::new();
        };
        self.rows.iter().map(|row| row[index].as_str()).collect()
    }

    /// Says how this answer differs from another, rows in any order.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.rows.len() != other.rows.len() {
            return Some(format!("{} rows against {}", self.rows.len(), other.rows.len()));
        }
        self.rows_missing_in(other)
    }

    /// Says how this answer differs from another, rows in their order.
    pub fn difference_in_order(&self, other: &Self) -> Option<String> {
        if self.rows.len() != other.rows.len() {
            return Some(format!("{} rows against {}", self.rows.len(), other.rows.len()));
        }
        let pairs = self.rows.iter().zip(&other.rows).enumerate();
        let (at, (mine, theirs)) = pairs.into_iter().find(|(_, (a, b))| !rows_equal(a, b))?;
        Some(format!("row {at}: {mine:?} against {theirs:?}"))
    }

    /// Says which rows have no equal in another answer, each of whose rows counts once.
    pub fn rows_missing_in(&self, whole: &Self) -> Option<String> {
        let mut mine: Vec<&Vec<String>> = self.rows.iter().collect();
        let mut theirs: Vec<&Vec<String>> = whole.rows.iter().collect();
        mine.sort_by_cached_key(|row| sort_key(row));
        theirs.sort_by_cached_key(|row| sort_key(row));
        if mine.len() == theirs.len() && mine.iter().zip(&theirs).all(|(a, b)| rows_equal(a, b)) {
            return None;
        }
        let mut missing = String::new();
        for row in mine {
            match theirs.iter().position(|other| rows_equal(row, other)) {
                Some(at) => {
                    theirs.swap_remove(at);
                }
                None if missing.len() < 600 => {
                    let _infallible = write!(missing, "\n  {row:?}");
                }
                None => break,
            }
        }
        (!missing.is_empty()).then(|| format!("rows without an equal:{missing}"))
    }
}

/// Floats that differ in their last digits sort alike: by nine digits.
fn sort_key(row: &[String]) -> Vec<String> {
    row.iter()
        .map(|cell| match cell.parse::<f64>() {
            Ok(0.0) => "0".to_owned(),
            Ok(number) => format!("{number:.8e}"),
            Err(_) => cell.clone(),
        })
        .collect()
}

fn rows_equal(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| cells_equal(a, b))
}

/// Integers are compared exactly, however long; as floats only where one of the cells is one.
fn cells_equal(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if a.parse::<i64>().is_ok() && b.parse::<i64>().is_ok() {
        return false;
    }
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => {
            a == b || (a - b).abs() <= (RELATIVE * a.abs().max(b.abs())).max(ABSOLUTE)
        }
        _ => false,
    }
}

fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut started) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        started = true;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                cell.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
                started = false;
            }
            other => cell.push(other),
        }
    }
    if started {
        record.push(cell);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::Answer;

    fn answer(text: &str) -> Answer {
        Answer::from_csv(text)
    }

    #[test]
    fn quoted_cells_keep_commas_quotes_and_lines() {
        let read = answer("a,b\r\n\"x,\"\"y\"\"\nz\",\r\n1,2\r\n");
        assert_eq!(read.columns, ["a", "b"]);
        assert_eq!(read.rows, [["x,\"y\"\nz", ""], ["1", "2"]]);
    }

    #[test]
    fn rows_are_equal_in_any_order_and_to_the_last_digits() {
        let one = answer("a,b\n1,0.30000000000000004\n2,x\n");
        let two = answer("a,b\n2,x\n1,0.3\n");
        assert_eq!(one.difference(&two), None);
        assert!(one.difference_in_order(&two).is_some());
    }

    #[test]
    fn unequal_rows_are_named() {
        let one = answer("a\n1\n1\n2\n");
        let two = answer("a\n1\n2\n2\n");
        assert!(one.difference(&two).is_some_and(|said| said.contains('1')), "duplicates count");
        assert!(answer("a\n0.3\n").difference(&answer("a\n0.3000000001\n")).is_some());
        assert!(
            answer("a\n9007199254740993\n").difference(&answer("a\n9007199254740992\n")).is_some()
        );
        assert!(answer("a\n\n").difference(&answer("a\n0\n")).is_some(), "NULL is not zero");
    }

    #[test]
    fn a_part_has_all_its_rows_in_the_whole() {
        let whole = answer("a\n1\n2\n3\n");
        assert_eq!(answer("a\n3\n1\n").rows_missing_in(&whole), None);
        assert!(answer("a\n3\n3\n").rows_missing_in(&whole).is_some());
    }
}
