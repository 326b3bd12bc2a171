//! Arithmetic of integers and their sums, against the same in 128 bits.

use super::check;
use crate::function::integer::too_large;
use crate::sample::rows;

const TYPES: [(&str, i128, i128); 3] = [
    ("SMALLINT", i16::MIN as i128, i16::MAX as i128),
    ("INTEGER", i32::MIN as i128, i32::MAX as i128),
    ("BIGINT", i64::MIN as i128, i64::MAX as i128),
];

fn values(least: i128, most: i128) -> [i128; 6] {
    [least, -7, 0, 2, 181, most]
}

/// What a query has to answer.
fn expected(a: i128, operator: &str, b: i128) -> Result<String, String> {
    let made = match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        _ if b == 0 => return Ok(String::new()),
        _ => a / b,
    };
    match i64::try_from(made) {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err(too_large(&format!("{a} {operator} {b}"), "")),
    }
}

fn compare(expression: &str, a: i128, operator: &str, b: i128) {
    let said = rows(&format!("SELECT TOP 1 {expression} FROM tap_schema.tables"));
    match (said, expected(a, operator, b)) {
        (Ok(rows), Ok(number)) => assert_eq!(rows, [number], "{expression}"),
        (Err(error), Err(message)) => assert!(error.contains(&message), "{expression}: {error}"),
        (said, expected) => panic!("{expression}: {said:?}, and not {expected:?}"),
    }
}

#[test]
fn integers_of_all_kinds_make_bigints() {
    for (a_type, a_least, a_most) in TYPES {
        for (b_type, b_least, b_most) in TYPES {
            for a in values(a_least, a_most) {
                for b in values(b_least, b_most) {
                    for operator in ["+", "-", "*", "/"] {
                        let text =
                            format!("CAST('{a}' AS {a_type}) {operator} CAST('{b}' AS {b_type})");
                        compare(&text, a, operator, b);
                    }
                }
            }
        }
    }
}

#[test]
fn literals_make_bigints() {
    let (least, most) = (-i128::from(i64::MAX), i128::from(i64::MAX));
    for a in values(least, most) {
        for b in values(least, most) {
            for operator in ["+", "-", "*", "/"] {
                compare(&format!("{a} {operator} {b}"), a, operator, b);
                compare(&format!("{a} {operator} (n * 0 + {b})"), a, operator, b);
            }
        }
    }
}

#[test]
fn negatives_are_bigints_and_zero_has_no_sign() {
    check("SELECT -CAST(n - 32775 AS SMALLINT), -n, -(n - 7) FROM tap_schema.tables", "32768|-7|0");
    check("SELECT -(n - 7.0), -n * -1, - - n, -(-5), -5 FROM tap_schema.tables", "0.0|7|7|5|-5");
    check("SELECT -dec AS d FROM stars WHERE id = 3", "30.0");
    check("SELECT -9223372036854775808 FROM tap_schema.tables", "-9223372036854775808");
}

#[test]
fn chains_and_groups_are_computed() {
    check("SELECT n + n * n - 3, (n + 1) / 2 / 2, 2 * n - n FROM tap_schema.tables", "53|2|7");
    check("SELECT n / 2 AS h, COUNT(*) FROM a.dup GROUP BY n / 2 ORDER BY h", "0|1; 1|3");
    check("SELECT n + 1, SUM(n * 2) FROM a.dup GROUP BY n + 1 ORDER BY n + 1", "2|2; 3|8; 4|6");
    check("SELECT n FROM a.dup WHERE n * n + 1 = 10", "3");
    check("SELECT n FROM a.dup WHERE 6 / (n - 2) > 1", "3");
    check("SELECT id FROM stars WHERE id = 2 + 3 * 1", "5");
}

#[test]
fn sums_are_bigints() {
    let most = i64::MAX;
    check(
        "SELECT SUM(n), SUM(DISTINCT n), SUM(CAST(n AS SMALLINT)), SUM(n + 0.5) FROM a.dup",
        "8|6|8|10.0",
    );
    check(
        "SELECT SUM(DISTINCT n), COUNT(DISTINCT n * 2), SUM(DISTINCT n * n) FROM a.dup",
        "6|3|14",
    );
    check("SELECT SUM(n) FROM a.dup WHERE n > 9", "");
    check("SELECT n, SUM(n * 0 + 5) FROM a.dup GROUP BY n ORDER BY n", "1|5; 2|10; 3|5");
    check(
        "SELECT n, SUM(CASE WHEN n = 3 THEN NULL ELSE n END) FROM a.dup GROUP BY n ORDER BY n",
        "1|1; 2|4; 3|",
    );
    // Parts of a sum may be beyond what the sum is within.
    check(&format!("SELECT SUM(CASE WHEN n = 2 THEN {most} ELSE -{most} END) FROM a.dup"), "0");
    check(&format!("SELECT SUM({most} - n + 1) FROM a.dup WHERE n = 1"), &most.to_string());
    for (sum, total) in [
        (format!("SUM({most})"), 4 * i128::from(most)),
        (format!("SUM(DISTINCT {most} - n)"), 3 * i128::from(most) - 6),
        (format!("SUM(-{most} + n)"), 8 - 4 * i128::from(most)),
        (format!("SUM(DISTINCT {most} - n), COUNT(DISTINCT n)"), 3 * i128::from(most) - 6),
    ] {
        let said = "is beyond the range of BIGINT: write SUM(CAST(… AS DOUBLE PRECISION))";
        let error = rows(&format!("SELECT {sum} FROM a.dup")).unwrap_err();
        assert!(error.contains(&format!("SUM: {total} {said}")), "{sum}: {error}");
        let by_group = format!("SELECT n * 0, {sum} FROM a.dup GROUP BY n * 0");
        assert!(rows(&by_group).unwrap_err().contains(&format!("SUM: {total} {said}")), "{sum}");
    }
}
