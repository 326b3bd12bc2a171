//! A column of a synthetic table: what it is called, what it means, and how rows have it.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::error::ArrowError;

use crate::metadata::{ColumnMetadata, TableMetadata};

/// How a column's values are taken from rows.
#[derive(Debug)]
pub(super) enum Values<R> {
    Long(fn(&R) -> i64),
    Int(fn(&R) -> i32),
    Double(fn(&R) -> f64),
    /// With NULL.
    Time(fn(&R) -> Option<f64>),
    Float(fn(&R) -> Option<f32>),
    Text(fn(&R) -> &'static str),
    Flag(fn(&R) -> bool),
}

/// A column.
#[derive(Debug)]
pub(super) struct Column<R> {
    pub(super) name: &'static str,
    unit: &'static str,
    ucd: &'static str,
    description: &'static str,
    values: Values<R>,
    principal: bool,
    indexed: bool,
}

impl<R> Column<R> {
    /// A column of values that have no unit where `unit` is empty.
    pub(super) const fn new(
        name: &'static str,
        unit: &'static str,
        ucd: &'static str,
        description: &'static str,
        values: Values<R>,
    ) -> Self {
        Self { name, unit, ucd, description, values, principal: false, indexed: false }
    }

    /// The same, part of a first look.
    pub(super) const fn principal(mut self) -> Self {
        self.principal = true;
        self
    }

    /// The same, by which rows are found quickly.
    pub(super) const fn indexed(mut self) -> Self {
        self.indexed = true;
        self
    }

    fn field(&self) -> Field {
        let (data_type, nullable) = match self.values {
            Values::Long(_) => (DataType::Int64, false),
            Values::Int(_) => (DataType::Int32, false),
            Values::Double(_) => (DataType::Float64, false),
            Values::Time(_) => (DataType::Float64, true),
            Values::Float(_) => (DataType::Float32, true),
            Values::Text(_) => (DataType::Utf8, false),
            Values::Flag(_) => (DataType::Boolean, false),
        };
        Field::new(self.name, data_type, nullable)
    }

    fn array(&self, rows: &[R]) -> ArrayRef {
        match self.values {
            Values::Long(of) => Arc::new(Int64Array::from_iter_values(rows.iter().map(of))),
            Values::Int(of) => Arc::new(Int32Array::from_iter_values(rows.iter().map(of))),
            Values::Double(of) => Arc::new(Float64Array::from_iter_values(rows.iter().map(of))),
            Values::Time(of) => Arc::new(rows.iter().map(of).collect::<Float64Array>()),
            Values::Float(of) => Arc::new(rows.iter().map(of).collect::<Float32Array>()),
            Values::Text(of) => Arc::new(StringArray::from_iter_values(rows.iter().map(of))),
            Values::Flag(of) => {
                Arc::new(BooleanArray::from(rows.iter().map(of).collect::<Vec<bool>>()))
            }
        }
    }
}

/// The schema of these columns.
pub(super) fn schema<R>(columns: &[Column<R>]) -> Schema {
    Schema::new(columns.iter().map(Column::field).collect::<Vec<Field>>())
}

/// Rows in columns.
pub(super) fn batch<R>(columns: &[Column<R>], rows: &[R]) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.iter().map(|column| column.array(rows)).collect();
    RecordBatch::try_new(Arc::new(schema(columns)), arrays)
}

/// What is said of these columns.
pub(super) fn metadata<R>(columns: &[Column<R>]) -> TableMetadata {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let columns = columns.iter().map(|column| {
        let metadata = ColumnMetadata {
            unit: text(column.unit),
            ucd: text(column.ucd),
            description: text(column.description),
            principal: column.principal,
            indexed: column.indexed,
            ..ColumnMetadata::default()
        };
        (column.name.to_owned(), metadata)
    });
    TableMetadata { columns: columns.collect(), ..TableMetadata::default() }
}
