//! Lists of hundreds of columns and of thousands of values.

use super::*;

#[test]
fn a_long_list_of_columns() {
    let names = ["o.band", "s.mag", "s.id", "s.\"Odd Name\"", "o.obs_id"];
    let list = |aliases: bool| {
        let columns = (0..70).map(|nth| match names[nth % 5] {
            name if aliases => format!("{name} AS c{nth}"),
            name => name.to_owned(),
        });
        columns.collect::<Vec<_>>().join(", ")
    };
    let from = "FROM stars AS s JOIN obs AS o ON s.id = o.id WHERE s.mag < 6";
    let row = |last| vec![["g|5.0|1|10|11", "r|5.0|1|10|12"][last]; 14].join("|");
    check_set(&format!("SELECT {} {from}", list(true)), &[row(0), row(1)].join("; "));
    check_set(&format!("SELECT TOP 5 {} {from}", list(true)), &[row(0), row(1)].join("; "));
    check(&format!("SELECT TOP 0 {} {from}", list(true)), "");
    // More than columns, or in an order: planned as any other.
    check(&format!("SELECT {} {from} ORDER BY c4 DESC", list(true)), &[row(1), row(0)].join("; "));
    check_set(
        &format!("SELECT 1 AS one, {} {from}", list(true)),
        &format!("1|{}; 1|{}", row(0), row(1)),
    );
    let outer = format!("SELECT c0, c69 FROM (SELECT {} {from}) AS t", list(true));
    check_set(&outer, "g|11; r|12");
    // The same names again and again.
    assert_eq!(rows(&format!("SELECT {} {from}", list(false))).map(|rows| rows.len()), Ok(2));
}

/// Lists that are long enough to become a table of their values.
#[test]
fn long_lists() {
    let list = |from: i64, step: i64| {
        let numbers = (0..100).map(|n| (from + n * step).to_string());
        numbers.collect::<Vec<_>>().join(", ")
    };
    let ids = |condition: &str| format!("SELECT id FROM stars WHERE {condition} ORDER BY id");
    check(&ids(&format!("id IN ({})", list(-98, 2))), "2; 4");
    check(&ids(&format!("id NOT IN ({})", list(-98, 2))), "1; 3; 5");
    check(&ids(&format!("id + 1 IN ({})", list(-98, 2))), "1; 3; 5");
    check(&ids(&format!("id IN ({}) OR id = 5", list(-98, 2))), "2; 4; 5");
    check(&ids(&format!("id IN ({}, 9223372036854775808)", list(-98, 2))), "2; 4");
    check(&ids(&format!("id IN ({}, 1.0)", list(-98, 2))), "1; 2; 4");
    check(&ids(&format!("id IN ({}, 1 + 2)", list(-98, 2))), "2; 3; 4");
    check(
        &format!(
            "SELECT id, CASE WHEN id IN ({}) THEN 'even' ELSE 'odd' END AS kind FROM stars ORDER BY id",
            list(-98, 2)
        ),
        "1|odd; 2|even; 3|odd; 4|even; 5|odd",
    );
    check(
        &format!(
            "SELECT s.id, t.id FROM stars AS s JOIN stars AS t ON s.id = t.id AND t.id IN ({}) \
             ORDER BY s.id",
            list(4, 1)
        ),
        "4|4; 5|5",
    );
    check(
        &format!("SELECT COUNT(*) AS n FROM stars GROUP BY id HAVING id IN ({})", list(5, 1)),
        "1",
    );
    let bands = (0..100).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    check(&format!("SELECT DISTINCT band FROM obs WHERE band IN ({bands}, 'r')"), "r");
    check(&format!("SELECT DISTINCT band FROM obs WHERE band NOT IN ({bands}, 'r')"), "g");
}
