//! The spatial index of a table that is written is the computed one, which its properties say and a
//! check holds it to.

use std::fs;
use std::sync::Arc;

use adql::sky::spatial_index;
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::parquet::arrow::ArrowWriter;

use super::checking::checked;
use super::fixture::{ask, open, public, rows};
use super::writing::{batch, files, options, read};
use crate::check::FindingKind;
use crate::write::TableWriter;

/// With the index of the next cell, as another writer may have computed.
fn near() -> RecordBatch {
    let (rows, plain) = (rows(10), batch(&rows(10)));
    let near: Int64Array =
        rows.iter().map(|row| spatial_index(row.ra, row.dec).map(|index| index ^ 1)).collect();
    let mut fields = vec![Arc::new(Field::new("_healpix_29", DataType::Int64, true))];
    fields.extend(plain.schema().fields().iter().cloned());
    let mut columns: Vec<ArrayRef> = vec![Arc::new(near)];
    columns.extend(plain.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[tokio::test]
async fn a_ready_index_that_is_near_is_computed_anew() {
    let (folder, batch) = (tempfile::tempdir().unwrap(), near());
    let mut writer = TableWriter::create(options(folder.path()), &batch.schema()).unwrap();
    assert!(writer.push(&batch).unwrap().is_none());
    writer.finish(&|_| {}).unwrap();
    let snapshot = open(folder.path()).await;
    let table = snapshot.tiled_table(&public("t")).unwrap();
    assert!(table.table().positions.as_ref().unwrap().is_exact);
    let wrong = "SELECT id FROM t WHERE \"_healpix_29\" <> ivo_healpix_index(29, ra, dec)";
    assert_eq!(ask(&snapshot, true, wrong).await, [""; 0]);
    assert_eq!(ask(&snapshot, true, "SELECT COUNT(*) AS n FROM t").await, ["10"]);
}

#[test]
fn an_index_that_is_said_to_be_computed_and_is_not_is_told() {
    let (folder, batch) = (tempfile::tempdir().unwrap(), near());
    let mut writer = TableWriter::create(options(folder.path()), &batch.schema()).unwrap();
    writer.push(&batch).unwrap();
    writer.finish(&|_| {}).unwrap();
    let findings = || checked(folder.path(), 100).pop().unwrap().findings;
    assert!(findings().is_empty(), "{:?}", findings());
    let is_tile = |path: &std::path::Path| path.to_string_lossy().contains("t/t/dataset/Norder=");
    let path = files(folder.path()).into_iter().find(|path| is_tile(path)).unwrap();
    let [batch] = <[RecordBatch; 1]>::try_from(read(&path)).unwrap();
    let mut columns = batch.columns().to_vec();
    let index = columns[0].as_primitive::<Int64Type>();
    columns[0] = Arc::new(index.unary::<_, Int64Type>(|index| index ^ 1));
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let file = fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let told = findings().iter().filter(|f| f.kind == FindingKind::SpatialIndex).count();
    assert_eq!(told, batch.num_rows(), "{:?}", findings());
}
