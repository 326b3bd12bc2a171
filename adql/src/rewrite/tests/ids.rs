//! Ids that filters ask for, and long lists of them: no row that a condition selects has an id that
//! was not asked for.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};

use super::{ALL, Sky, rows, session};
use crate::rewrite::{IdSet, ids_of};

fn type_of(column: &str) -> Option<DataType> {
    (column == "id").then_some(DataType::Int64)
}

fn numbers(values: &ArrayRef) -> Vec<i64> {
    let mut numbers: Vec<i64> = values.as_primitive::<Int64Type>().values().to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Conditions and the ids that each asks for; none: any.
const CONDITIONS: &[(&str, Option<&[i64]>)] = &[
    ("id = 5", Some(&[5])),
    ("5 = id", Some(&[5])),
    ("id = 5 AND mag > 3", Some(&[5])),
    ("id = 5 OR id = 7", Some(&[5, 7])),
    ("id = 5 OR mag > 3", None),
    ("(id = 5 AND mag > 3) OR (mag < 3 AND id IN (7, 9, 9, 11, 13))", Some(&[5, 7, 9, 11, 13])),
    ("id IN (7, 9, -11, 13, 15)", Some(&[-11, 7, 9, 13, 15])),
    ("id IN (7, NULL)", Some(&[7])),
    ("id NOT IN (7, 9)", None),
    ("NOT id = 7", None),
    ("id <> 7", None),
    ("id > 7", None),
    ("id + 1 = 7", None),
    ("id = 7.0", None),
    ("id = mag", None),
    ("(id = 7) IS TRUE", Some(&[7])),
    ("(id = 7) IS NOT TRUE", None),
    ("CAST(id AS INT) = 7", Some(&[7])),
    ("CAST(id AS DOUBLE) = 7", None),
    ("id = 9223372036854775808", Some(&[])),
    ("mag IN (0.2, 0.3)", None),
];

#[test]
fn no_selected_row_has_an_id_that_was_not_asked_for() {
    let sky = Sky::new();
    let session = session(&sky, ALL, true);
    for (condition, expected) in CONDITIONS {
        let selected = rows(&session, &format!("SELECT id FROM t WHERE {condition}"));
        let offered = sky.offered.lock().unwrap().clone();
        let asked: Vec<Vec<IdSet>> = ids_of(&offered, &type_of);
        match expected {
            None => assert!(asked.is_empty(), "{condition}: {asked:?}"),
            // Nothing is scanned for what is never true.
            Some([]) if asked.is_empty() => assert!(selected.is_empty(), "{condition}"),
            Some(expected) => {
                let [sets] = asked.as_slice() else { panic!("{condition}: {asked:?}") };
                let [set] = sets.as_slice() else { panic!("{condition}: {sets:?}") };
                assert_eq!(
                    (set.column.as_str(), numbers(&set.values).as_slice()),
                    ("id", *expected)
                );
                for id in &selected {
                    assert!(expected.contains(&id.parse().unwrap()), "{condition}: {id}");
                }
            }
        }
    }
}
