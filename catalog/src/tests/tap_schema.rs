//! `TAP_SCHEMA` describes every table, itself included, by the rules of TAP 1.1 §4.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, UInt8Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;

use super::fixture::{Shape, ask, open, rows, write_table};
use crate::Snapshot;

/// A table without positions, whose columns have names and types of all kinds.
fn write_odd(folder: &Path) {
    let three: ArrayRef = {
        let values = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0]));
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        Arc::new(FixedSizeListArray::new(item, 3, values, None))
    };
    let byte: ArrayRef = Arc::new(UInt8Array::from(vec![1]));
    let columns = [("size", Arc::clone(&byte)), ("a \"b\"", byte), ("triple", three)];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.join("dataset/Norder=0/Dir=0/Npix=0.parquet");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let schema: Arc<Schema> = batch.schema();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    fs::write(folder.join("hats.properties"), "dataproduct_type=object\nhats_nrows=1\n").unwrap();
}

async fn sample() -> (tempfile::TempDir, Arc<Snapshot>) {
    let folder = tempfile::tempdir().unwrap();
    write_table(&folder.path().join("survey/objects"), &Shape::default(), &rows(10));
    write_table(&folder.path().join("survey/keys"), &Shape::default(), &rows(10));
    write_odd(&folder.path().join("select/odd"));
    let key = "version = 1\n[[keys]]\ntarget = \"survey.objects\"\ncolumns = { id = \"id\" }\n";
    fs::write(folder.path().join("survey/keys/table.toml"), key).unwrap();
    let snapshot = open(folder.path()).await;
    (folder, snapshot)
}

async fn check(snapshot: &Arc<Snapshot>, text: &str, expected: &[&str]) {
    assert_eq!(ask(snapshot, true, text).await, expected, "{text}");
}

#[tokio::test]
async fn it_lists_everything_and_itself() {
    let (_folder, snapshot) = sample().await;
    check(
        &snapshot,
        "SELECT schema_name, schema_index FROM TAP_SCHEMA.schemas",
        &["\"select\"|0", "TAP_SCHEMA|2", "survey|1"],
    )
    .await;
    check(
        &snapshot,
        "SELECT table_name, table_type, table_index FROM tap_schema.tables",
        &[
            "\"select\".odd|table|0",
            "TAP_SCHEMA.columns|table|2",
            "TAP_SCHEMA.key_columns|table|4",
            "TAP_SCHEMA.keys|table|3",
            "TAP_SCHEMA.schemas|table|0",
            "TAP_SCHEMA.tables|table|1",
            "survey.keys|table|0",
            "survey.objects|table|1",
        ],
    )
    .await;
    check(
        &snapshot,
        "SELECT table_name, COUNT(*) AS n, SUM(std) AS s FROM TAP_SCHEMA.columns GROUP BY table_name",
        &[
            "\"select\".odd|3|0",
            "TAP_SCHEMA.columns|14|14",
            "TAP_SCHEMA.key_columns|3|3",
            "TAP_SCHEMA.keys|5|5",
            "TAP_SCHEMA.schemas|4|4",
            "TAP_SCHEMA.tables|6|6",
            "survey.keys|5|0",
            "survey.objects|5|0",
        ],
    )
    .await;
}

#[tokio::test]
async fn columns_have_the_names_and_types_of_results() {
    let (_folder, snapshot) = sample().await;
    check(
        &snapshot,
        "SELECT column_name, datatype, arraysize, \"size\", column_index FROM TAP_SCHEMA.columns \
         WHERE table_name = '\"select\".odd'",
        &["\"a \"\"b\"\"\"|unsignedByte|||1", "\"size\"|unsignedByte|||0", "triple|float|3|3|2"],
    )
    .await;
    check(
        &snapshot,
        "SELECT column_name, datatype, arraysize, \"size\", unit, ucd, indexed, principal, std \
         FROM TAP_SCHEMA.columns WHERE table_name = 'survey.objects'",
        &[
            "dec|double|||deg|pos.eq.dec;meta.main|1|1|0",
            "id|long|||||0|1|0",
            "mag|double|||||0|1|0",
            "name|unicodeChar|*||||0|1|0",
            "ra|double|||deg|pos.eq.ra;meta.main|1|1|0",
        ],
    )
    .await;
    // What must not be NULL is not, and integers are 0 or 1.
    check(
        &snapshot,
        "SELECT COUNT(*) AS n FROM TAP_SCHEMA.columns WHERE table_name IS NULL OR column_name IS \
         NULL OR datatype IS NULL OR indexed NOT IN (0, 1) OR principal NOT IN (0, 1) OR std NOT \
         IN (0, 1) OR column_index IS NULL",
        &["0"],
    )
    .await;
}

#[tokio::test]
async fn keys_name_what_is_there() {
    let (_folder, snapshot) = sample().await;
    let keys = ask(
        &snapshot,
        true,
        "SELECT k.from_table, c.from_column, k.target_table, c.target_column \
         FROM TAP_SCHEMA.keys AS k JOIN TAP_SCHEMA.key_columns AS c ON k.key_id = c.key_id \
         JOIN TAP_SCHEMA.columns AS a ON a.table_name = k.from_table AND a.column_name = c.from_column \
         JOIN TAP_SCHEMA.columns AS b ON b.table_name = k.target_table \
         AND b.column_name = c.target_column",
    )
    .await;
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert_eq!(keys[5], "survey.keys|id|survey.objects|id");
    assert_eq!(keys[0], "TAP_SCHEMA.columns|table_name|TAP_SCHEMA.tables|table_name");
}

#[tokio::test]
async fn the_language_works_on_it() {
    let (_folder, snapshot) = sample().await;
    // The name alone is that of a table of the archive.
    check(&snapshot, "SELECT COUNT(*) AS n FROM keys", &["10"]).await;
    for (text, count) in [
        ("SELECT TOP 3 * FROM TAP_SCHEMA.columns", 3),
        ("SELECT COUNT(*) AS n FROM (SELECT TOP 3 * FROM TAP_SCHEMA.columns) AS t WHERE 1 = 1", 1),
        ("SELECT column_name FROM TAP_SCHEMA.columns WHERE column_name LIKE '%\\_index'", 0),
        ("SELECT column_name FROM TAP_SCHEMA.columns WHERE column_name LIKE '%index'", 3),
        ("SELECT column_name FROM TAP_SCHEMA.columns WHERE UPPER(column_name) = 'RA'", 2),
        ("SELECT DISTINCT datatype FROM TAP_SCHEMA.columns ORDER BY datatype", 6),
        (
            "SELECT * FROM tap_schema.schemas INNER JOIN tap_schema.tables \
             ON tap_schema.tables.schema_name = tap_schema.schemas.schema_name",
            8,
        ),
        ("SELECT table_name FROM TAP_SCHEMA.tables NATURAL JOIN TAP_SCHEMA.schemas", 0),
    ] {
        assert_eq!(ask(&snapshot, true, text).await.len(), count, "{text}");
    }
    check(
        &snapshot,
        "SELECT COUNT(*) AS n FROM (SELECT TOP 3 * FROM TAP_SCHEMA.columns) AS t",
        &["3"],
    )
    .await;
}
