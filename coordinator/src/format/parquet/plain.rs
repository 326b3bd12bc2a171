//! Columns as every reader of Parquet knows them: no views, no dictionaries, and nothing that only
//! Arrow has.

use std::sync::Arc;

use adql::datatype::Source;
use catalog::votable::OutputField;
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;

use crate::format::cells::{cast, text};

/// The columns of the file. All may be missing, whatever the plan believes.
pub(super) fn schema(fields: &[OutputField], rows: &Schema) -> SchemaRef {
    let fields = fields.iter().zip(rows.fields());
    let fields = fields
        .map(|(output, field)| Field::new(&output.column.name, plain(field.data_type()), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows of a batch in these columns.
pub(super) fn rows(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| in_type(column, field.data_type()));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

fn in_type(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if !is_foreign(column.data_type()) {
        return cast(column, to);
    }
    let source = match column.data_type() {
        DataType::Null => Source::Cast,
        _ => Source::Display,
    };
    let text: ArrayRef = Arc::new(text(source, column)?);
    cast(&text, to)
}

/// Whether a type has no counterpart in Parquet and becomes text.
fn is_foreign(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) | DataType::Duration(_) | DataType::Union(..) | DataType::Null => {
            true
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::RunEndEncoded(_, item)
        | DataType::Map(item, _) => is_foreign(item.data_type()),
        DataType::Dictionary(_, value) => is_foreign(value),
        DataType::Struct(fields) => {
            fields.is_empty() || fields.iter().any(|field| is_foreign(field.data_type()))
        }
        _ => false,
    }
}

/// The type in which the values of a type are written.
fn plain(data_type: &DataType) -> DataType {
    let item = |field: &Field| {
        let name = field.name().clone();
        Arc::new(Field::new(name, plain(field.data_type()), field.is_nullable()))
    };
    match data_type {
        other if is_foreign(other) => DataType::Utf8,
        DataType::Dictionary(_, value) => plain(value),
        DataType::RunEndEncoded(_, value) => plain(value.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(field) | DataType::ListView(field) => DataType::List(item(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => {
            DataType::LargeList(item(field))
        }
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(item(field), *length),
        DataType::Map(field, sorted) => DataType::Map(item(field), *sorted),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| item(field)).collect())
        }
        other => other.clone(),
    }
}
