//! Views as users meet them: names, columns, and what stands in their place.

use crate::sample::{Sample, rows_of};
use crate::{Error, Limits, Table, TableName, View, plan};

fn view(name: &str, text: &str, sample: Sample) -> Result<(Table, Sample), Error> {
    let name = TableName { schema: "v".to_owned(), table: name.to_owned() };
    let table = View::table(name, text, &sample, &Limits::default())?;
    Ok((table.clone(), sample.with_view(table)))
}

/// Three views, one of them on another.
fn sample() -> Sample {
    let texts = [
        ("bright", "SELECT id, ra, dec, mag AS g, \"Odd Name\" FROM Stars WHERE mag < 6"),
        (
            "latest",
            "WITH best AS (SELECT id, g FROM v.bright) SELECT b.id, obs_id, g FROM best AS b \
             LEFT JOIN obs USING (id)",
        ),
        ("pairs", "SELECT n FROM a.dup UNION ALL SELECT n FROM b.dup"),
    ];
    texts
        .into_iter()
        .fold(Sample::new(), |sample, (name, text)| view(name, text, sample).unwrap().1)
}

#[test]
fn a_view_is_read_as_a_table() {
    let sample = sample();
    for (text, expected) in [
        ("SELECT id FROM v.bright ORDER BY id", &["1", "5"] as &[&str]),
        ("SELECT * FROM bright WHERE g > 2", &["1|10.0|20.0|5.0|10"]),
        ("SELECT v.bright.id, \"Odd Name\" FROM v.bright WHERE bright.ra < 1", &["5|50"]),
        ("SELECT x.id FROM bright AS x JOIN bright AS y ON x.id = y.id AND y.g < 2", &["5"]),
        ("SELECT id, obs_id, g FROM latest ORDER BY obs_id", &["1|11|5.0", "1|12|5.0", "5||1.0"]),
        ("SELECT COUNT(*) AS n FROM pairs", &["8"]),
        ("SELECT n FROM pairs GROUP BY n HAVING COUNT(*) > 2 ORDER BY n", &["2", "3"]),
        (
            "SELECT name FROM Stars AS s WHERE EXISTS (SELECT 1 FROM bright AS b WHERE b.id = s.id) \
          ORDER BY name",
            &["100%", "Alpha"],
        ),
        // A WITH query of the user's is nothing to a view, and one of a view nothing to users.
        (
            "WITH obs AS (SELECT 7 AS id FROM Stars) SELECT COUNT(*) AS n FROM latest, a.dup",
            &["12"],
        ),
        ("WITH best AS (SELECT id FROM obs) SELECT COUNT(*) AS n FROM best, latest", &["12"]),
    ] {
        assert_eq!(rows_of(text, sample.clone()).unwrap(), expected, "{text}");
    }
    let unknown = rows_of("SELECT mag FROM bright", sample).unwrap_err();
    assert_eq!(unknown, "unknown column mag at line 1, column 8");
}

#[test]
fn columns_mean_what_those_of_the_tables_mean() {
    let (mut table, _) = view("w", "SELECT mag AS g, ra FROM Stars", Sample::new()).unwrap();
    assert_eq!(table.columns[0].unit.as_deref(), Some("mag"));
    assert_eq!(table.columns[1].ucd.as_deref(), Some("pos.eq.ra;meta.main"));
    table.columns[0].unit = Some("Jy".to_owned());
    let sample = Sample::new().with_view(table);
    let query = plan("SELECT g, ra FROM v.w", &sample, &Limits::default()).unwrap();
    let units: Vec<_> = query.columns.iter().map(|column| column.unit.as_deref()).collect();
    assert_eq!(units, [Some("Jy"), Some("deg")]);
    let tables: Vec<String> = query.tables.iter().map(ToString::to_string).collect();
    assert_eq!(tables, ["public.Stars"]);
}

#[test]
fn a_view_that_cannot_be_planned_is_refused() {
    for (text, expected) in [
        ("SELECT x FROM Stars", "unknown column x at line 1, column 8"),
        ("SELECT id FROM\nstrs", "unknown table strs at line 2, column 1"),
        ("DELETE FROM Stars", "only queries are evaluated"),
        ("SELECT id FROM TAP_UPLOAD.mine", "TAP_UPLOAD.mine"),
    ] {
        let error = view("w", text, Sample::new()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} for {text}");
    }
}

#[test]
fn views_that_multiply_are_bounded() {
    let mut sample = sample();
    for level in 0..10 {
        let below = if level == 0 { "pairs".to_owned() } else { format!("t{}", level - 1) };
        let text = format!("SELECT n FROM v.{below} UNION SELECT n FROM v.{below}");
        match view(&format!("t{level}"), &text, sample.clone()) {
            Ok((_, more)) => sample = more,
            Err(error) => {
                assert!(error.to_string().contains("more than the limit of 256"), "{error}");
                return assert!(level > 5);
            }
        }
    }
    panic!("a thousand views in one query");
}
