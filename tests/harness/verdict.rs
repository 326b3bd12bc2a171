//! What an answer is worth when its right rows are known: right, a clear error, or a fault of ours.
//!
//! The right rows come from one process on the same data. Answers are read as VOTable TABLEDATA, the
//! format that can say at its end that something went wrong; long ones are compared by a sum of hashes
//! of their rows, which does not depend on their order.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use crate::client::unescape;
use crate::{Answer, Tap};

/// A query, and how its rows are compared.
#[derive(Debug, Clone)]
pub struct Question {
    /// What it is called in reports.
    pub name: &'static str,
    /// The query.
    pub adql: String,
    /// How two answers are compared.
    pub rows: Rows,
}

/// How the rows of two answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// In their order.
    Ordered,
    /// In any order, floats to their last digits.
    Unordered,
    /// In any order, by their text: for long answers without computed floats.
    Many,
}

/// A query with its right answer.
#[derive(Debug, Clone)]
pub struct Known {
    /// The query.
    pub question: Question,
    right: Right,
}

#[derive(Debug, Clone)]
enum Right {
    Cells(Answer),
    Sum { rows: usize, sum: u64 },
}

/// What an answer is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The right rows.
    Right,
    /// An error in a document that names a worker.
    Error(String),
    /// An error that names none.
    Unclear(String),
    /// Other rows than the right ones, as if they were right.
    Wrong(String),
    /// Fewer rows than the right ones, as if they were all.
    Short(String),
    /// The connection ended without an answer.
    Broken(String),
}

/// What came back: status and body, or why nothing did.
pub type Came = Result<(u16, String), String>;

impl Question {
    /// A query with its name and its way to be compared.
    pub fn new(name: &'static str, rows: Rows, adql: impl Into<String>) -> Self {
        Self { name, adql: adql.into(), rows }
    }

    /// The query with the answer of a service that is right.
    ///
    /// # Panics
    /// When it does not answer, or with no row: a query that always has none shows nothing.
    pub fn known_by(self, tap: &Tap) -> Known {
        let came = tap.ask(&self.adql);
        let body = match &came {
            Ok((200, body)) if is_whole(body) => body,
            other => panic!("{}: {other:?}", self.adql),
        };
        assert_eq!(last_status(body).map(|(value, _)| value).as_deref(), Some("OK"));
        let count = rows(body).count();
        assert!(count > 0, "{} has no row", self.adql);
        let right = match self.rows {
            Rows::Many => Right::Sum { rows: count, sum: sum(body) },
            Rows::Ordered | Rows::Unordered => Right::Cells(cells(body)),
        };
        Known { question: self, right }
    }
}

impl Known {
    /// How many rows the right answer has.
    pub fn rows(&self) -> usize {
        match &self.right {
            Right::Cells(answer) => answer.rows.len(),
            Right::Sum { rows, .. } => *rows,
        }
    }

    /// Judges what came back; `workers` are the texts of which an error must hold one.
    pub fn judge(&self, came: &Came, workers: &[String]) -> Verdict {
        let (status, body) = match came {
            Ok(came) => came,
            Err(error) => return Verdict::Broken(error.clone()),
        };
        let said = match last_status(body) {
            Some((value, text)) if value == "ERROR" => Some(text),
            _ if *status != 200 => Some(format!("{status}: {body}")),
            _ => None,
        };
        if let Some(text) = said {
            let named = workers.iter().any(|worker| text.contains(worker.as_str()));
            return if named { Verdict::Error(text) } else { Verdict::Unclear(text) };
        }
        if !is_whole(body) {
            return Verdict::Short(format!("the document ends after {} bytes", body.len()));
        }
        let count = rows(body).count();
        if count < self.rows() {
            return Verdict::Short(format!("{count} rows in place of {}", self.rows()));
        }
        let difference = match &self.right {
            Right::Sum { rows, sum: right } => (count != *rows || sum(body) != *right)
                .then(|| format!("{count} rows, not the {rows} that are right")),
            Right::Cells(right) if self.question.rows == Rows::Ordered => {
                cells(body).difference_in_order(right)
            }
            Right::Cells(right) => cells(body).difference(right),
        };
        difference.map_or(Verdict::Right, Verdict::Wrong)
    }
}

fn is_whole(body: &str) -> bool {
    body.trim_end().ends_with("</VOTABLE>")
}

/// The last `QUERY_STATUS`: what is said after the rows counts, not what was hoped before them.
fn last_status(body: &str) -> Option<(String, String)> {
    const SIDE: usize = 16 << 10;
    // Not through all rows: they are many, and tests are not optimized.
    let tail = body.floor_char_boundary(body.len().saturating_sub(SIDE));
    let head = body.floor_char_boundary(SIDE);
    let sides = [&body[tail..], &body[..head]];
    let (side, at) =
        sides.iter().find_map(|side| Some((side, side.rfind("name=\"QUERY_STATUS\"")?)))?;
    let (attributes, rest) = side[at..].split_once('>')?;
    let value = attributes.split("value=\"").nth(1)?.split('"').next()?;
    let text = rest.split("</INFO").next().unwrap_or_default();
    let text = if attributes.trim_end().ends_with('/') { "" } else { text };
    Some((value.to_owned(), unescape(text).trim().to_owned()))
}

/// The rows, each on a line of its own.
fn rows(body: &str) -> impl Iterator<Item = &str> {
    body.lines().filter(|line| line.starts_with("<TR>"))
}

fn sum(body: &str) -> u64 {
    rows(body).fold(0, |sum, row| {
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

fn cells(body: &str) -> Answer {
    let cell = |text: &str| unescape(text.split("</TD>").next().unwrap_or_default());
    let row = |row: &str| {
        let row = row.replace("<TD/>", "<TD></TD>");
        row.trim_end_matches("</TR>").split("<TD>").skip(1).map(cell).collect()
    };
    Answer { columns: Vec::new(), rows: rows(body).map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::{Known, Question, Right, Rows, Verdict, cells, sum};

    fn document(rows: &[&str], end: &str) -> String {
        let ok = "<VOTABLE><RESOURCE><INFO name=\"QUERY_STATUS\" value=\"OK\"/><TABLE><DATA>";
        let rows: String = rows.iter().map(|r| format!("<TR><TD>{r}</TD><TD/></TR>\n")).collect();
        format!("{ok}<TABLEDATA>\n{rows}</TABLEDATA></DATA></TABLE>{end}")
    }

    const END: &str = "</RESOURCE></VOTABLE>\n";

    fn judged(rows: Rows, status: u16, body: &str) -> Verdict {
        let right = document(&["1", "2", "3"], END);
        let right = match rows {
            Rows::Many => Right::Sum { rows: 3, sum: sum(&right) },
            Rows::Ordered | Rows::Unordered => Right::Cells(cells(&right)),
        };
        let known = Known { question: Question::new("x", rows, ""), right };
        known.judge(&Ok((status, body.to_owned())), &["10.1.2.3:9001".to_owned()])
    }

    fn error(text: &str) -> String {
        let info = format!("<INFO name=\"QUERY_STATUS\" value=\"ERROR\">{text}</INFO>{END}");
        document(&["1"], &info)
    }

    #[test]
    fn right_answers_are_right_in_any_order_where_none_is_asked_for() {
        for rows in [Rows::Unordered, Rows::Many] {
            assert_eq!(judged(rows, 200, &document(&["3", "1", "2"], END)), Verdict::Right);
        }
        assert_eq!(judged(Rows::Ordered, 200, &document(&["1", "2", "3"], END)), Verdict::Right);
        let turned = judged(Rows::Ordered, 200, &document(&["3", "1", "2"], END));
        assert!(matches!(turned, Verdict::Wrong(_)), "{turned:?}");
    }

    #[test]
    fn what_is_missing_or_doubled_or_other_is_seen() {
        for rows in [Rows::Unordered, Rows::Many, Rows::Ordered] {
            let short = judged(rows, 200, &document(&["1", "2"], END));
            assert!(matches!(short, Verdict::Short(_)), "{short:?}");
            let cut = judged(rows, 200, &document(&["1", "2", "3"], ""));
            assert!(matches!(cut, Verdict::Short(_)), "{cut:?}");
            for wrong in [["1", "2", "2"], ["1", "2", "4"]] {
                let wrong = judged(rows, 200, &document(&wrong, END));
                assert!(matches!(wrong, Verdict::Wrong(_)), "{wrong:?}");
            }
            let more = judged(rows, 200, &document(&["1", "2", "3", "3"], END));
            assert!(matches!(more, Verdict::Wrong(_)), "{more:?}");
        }
    }

    #[test]
    fn an_error_is_clear_when_it_names_a_worker() {
        let clear = judged(Rows::Many, 200, &error("worker https://10.1.2.3:9001 was lost"));
        assert!(matches!(clear, Verdict::Error(_)), "{clear:?}");
        for (status, body) in [(200, error("oops")), (503, "no".to_owned())] {
            let unclear = judged(Rows::Many, status, &body);
            assert!(matches!(unclear, Verdict::Unclear(_)), "{unclear:?}");
        }
        let plain = judged(Rows::Many, 503, "10.1.2.3:9001 is down");
        assert!(matches!(plain, Verdict::Error(_)), "{plain:?}");
    }
}
