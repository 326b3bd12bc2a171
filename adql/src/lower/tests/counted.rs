//! Set operations with ALL: how many of a row are left.

use super::{check, check_set};

#[test]
fn rows_are_counted() {
    // a.dup has 1, 2, 2, 3; b.dup has 2, 3, 3, 4.
    check_set("SELECT n FROM a.dup EXCEPT ALL SELECT n FROM b.dup", "1; 2");
    check_set("SELECT n FROM b.dup EXCEPT ALL SELECT n FROM a.dup", "3; 4");
    check_set("SELECT n FROM a.dup INTERSECT ALL SELECT n FROM b.dup", "2; 3");
    check_set("SELECT n FROM a.dup EXCEPT ALL SELECT n FROM a.dup WHERE n < 2", "2; 2; 3");
    check_set("SELECT n FROM a.dup INTERSECT ALL SELECT n FROM a.dup", "1; 2; 2; 3");
    check_set("SELECT n FROM a.dup EXCEPT ALL SELECT n FROM a.dup", "");
    check_set("SELECT n FROM a.dup EXCEPT ALL SELECT n FROM a.dup WHERE n > 9", "1; 2; 2; 3");
    check_set("SELECT n FROM a.dup WHERE n > 9 EXCEPT ALL SELECT n FROM a.dup", "");
    check_set("SELECT DISTINCT n FROM a.dup EXCEPT ALL SELECT n FROM b.dup WHERE n = 2", "1; 3");
}

#[test]
fn missing_values_and_zeros_are_equal() {
    check_set(
        "SELECT mag FROM stars EXCEPT ALL SELECT mag FROM stars WHERE mag IS NULL AND id = 2",
        "; 1.0; 5.0; 7.5",
    );
    check_set("SELECT mag FROM stars INTERSECT ALL SELECT flux FROM obs", "");
    check_set("SELECT mag FROM stars INTERSECT ALL SELECT flux * 2 - 3 FROM obs", "; 5.0");
    check_set("SELECT dec * -1 FROM stars INTERSECT ALL SELECT dec FROM stars", "-0.0; -0.0");
    check_set("SELECT dec FROM stars EXCEPT ALL SELECT dec * -1 FROM stars", "-30.0; 20.0; 20.0");
}

#[test]
fn kinds_of_columns_are_unified() {
    check_set("SELECT n FROM a.dup EXCEPT ALL SELECT n + 0.0 FROM b.dup", "1.0; 2.0");
    check_set("SELECT n + 0.5 FROM a.dup INTERSECT ALL SELECT n FROM b.dup", "");
    // As doubles, these are equal.
    check_set(
        "SELECT 9007199254740992 + n FROM a.dup WHERE n < 3 EXCEPT ALL \
         SELECT 9007199254740992.0 FROM b.dup WHERE n < 4",
        "9007199254740994.0; 9007199254740994.0",
    );
    check_set(
        "SELECT id, band, taken FROM obs EXCEPT ALL SELECT id, band, taken FROM obs WHERE id > 1",
        "1|g|1970-01-01T00:00:00; 1|r|1970-01-02T00:00:00",
    );
    check_set(
        "SELECT flag FROM stars INTERSECT ALL SELECT flag FROM stars WHERE id < 4",
        "; false; true",
    );
    check_set(
        "SELECT POINT(id, 1), POLYGON(id, 1, id, 2, 3, 4) FROM obs EXCEPT ALL \
         SELECT POINT(id, 1), POLYGON(id, 1, id, 2, 3, 4) FROM obs WHERE band = 'r'",
        "[1.0, 1.0]|[1.0, 1.0, 1.0, 2.0, 3.0, 4.0]; [3.0, 1.0]|[3.0, 1.0, 3.0, 2.0, 3.0, 4.0]; \
         [9.0, 1.0]|[9.0, 1.0, 9.0, 2.0, 3.0, 4.0]",
    );
}

#[test]
fn counted_operations_stand_anywhere() {
    // INTERSECT first, the others from left to right.
    check_set(
        "SELECT n FROM a.dup EXCEPT ALL SELECT n FROM b.dup INTERSECT ALL SELECT n FROM a.dup",
        "1; 2",
    );
    check_set(
        "(SELECT n FROM a.dup EXCEPT ALL SELECT n FROM b.dup) INTERSECT ALL SELECT n FROM a.dup",
        "1; 2",
    );
    check_set(
        "SELECT n FROM a.dup UNION ALL SELECT n FROM b.dup EXCEPT ALL SELECT n FROM b.dup",
        "1; 2; 2; 3",
    );
    check_set(
        "SELECT n FROM a.dup EXCEPT ALL (SELECT n FROM b.dup EXCEPT ALL SELECT n FROM a.dup)",
        "1; 2; 2",
    );
    check_set("SELECT n FROM a.dup EXCEPT SELECT n FROM b.dup EXCEPT ALL SELECT 5 FROM b.dup", "1");
    check(
        "SELECT n AS m, n * 2 AS d FROM a.dup INTERSECT ALL SELECT n, n * 2 FROM b.dup ORDER BY d DESC, m",
        "3|6; 2|4",
    );
    check(
        "SELECT TOP 3 n FROM a.dup EXCEPT ALL (SELECT TOP 1 n FROM a.dup ORDER BY n) ORDER BY n OFFSET 1",
        "2",
    );
    check(
        "SELECT COUNT(*), SUM(t.n) FROM (SELECT n FROM a.dup EXCEPT ALL SELECT n FROM b.dup) AS t \
         WHERE t.n > 1",
        "1|2",
    );
    check_set(
        "WITH q AS (SELECT n FROM a.dup INTERSECT ALL SELECT n FROM b.dup) \
         SELECT q.n, r.n FROM q JOIN q AS r ON q.n < r.n",
        "2|3",
    );
    check_set(
        "SELECT n FROM a.dup WHERE n IN (SELECT n FROM a.dup EXCEPT ALL SELECT n FROM b.dup)",
        "1; 2; 2",
    );
    check_set(
        "SELECT s.id FROM stars AS s WHERE EXISTS (SELECT n FROM a.dup EXCEPT ALL SELECT n FROM b.dup) \
         AND s.id < 3",
        "1; 2",
    );
    check_set("SELECT * FROM a.dup EXCEPT ALL SELECT * FROM b.dup", "1; 2");
    check_set(&format!("SELECT n FROM a.dup{}", " EXCEPT ALL SELECT n FROM b.dup".repeat(8)), "1");
}
