//! Table files as they should be and as they should not, against `catalog::read`.
//!
//! What astropy and STILTS write is read in the test target `engine`.

mod arrow;
mod broken;
mod fits;
mod separated;
mod votable;

use std::path::Path;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::util::display::array_value_to_string;

use crate::metadata::TableMetadata;
use crate::read::{ReadOptions, ReadProgress, open};

/// Everything that a reader tells of a file.
#[derive(Debug)]
struct Read {
    schema: SchemaRef,
    metadata: TableMetadata,
    remarks: Vec<String>,
    progress: ReadProgress,
    batches: usize,
    /// Cells as text, `NULL` where there is none.
    rows: Vec<Vec<String>>,
}

impl Read {
    /// Names and types of the columns.
    fn columns(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| format!("{} {}", field.name(), field.data_type())).collect()
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let at = self.schema.index_of(name).unwrap();
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }
}

fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let cell = |array: &dyn Array, row| match array.is_null(row) {
        true => "NULL".to_owned(),
        false => array_value_to_string(array, row).unwrap(),
    };
    let row = |row| batch.columns().iter().map(|array| cell(array, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

fn read_file(path: &Path, options: &ReadOptions) -> Result<Read, String> {
    let mut reader = open(path, options).map_err(|error| error.to_string())?;
    let schema = SchemaRef::clone(reader.schema());
    let (mut rows, mut batches) = (Vec::new(), 0);
    for batch in reader.by_ref() {
        let batch = batch.map_err(|error| error.to_string())?;
        assert_eq!(batch.schema(), schema, "batches have the schema of the reader");
        assert!(batch.num_rows() > 0 && batch.num_rows() <= options.batch_rows);
        rows.extend(cells(&batch));
        batches += 1;
    }
    assert!(reader.next().is_none(), "a reader stays at its end");
    Ok(Read {
        schema,
        metadata: reader.metadata().clone(),
        remarks: reader.remarks().to_vec(),
        progress: reader.progress(),
        batches,
        rows,
    })
}

/// Reads bytes as a file of this name; errors have `FILE` for its path.
fn read_as(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Read, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read_file(&path, options).map_err(|error| error.replace(path.to_str().unwrap(), "FILE"))
}

fn read(name: &str, bytes: &[u8]) -> Read {
    read_as(name, bytes, &ReadOptions::default()).unwrap()
}

#[track_caller]
fn check_error(name: &str, bytes: &[u8], options: &ReadOptions, expected: &str) {
    let error = read_as(name, bytes, options).expect_err(expected);
    assert!(error.contains(expected), "{error}\nhas not: {expected}");
}
