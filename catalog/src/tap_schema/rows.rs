//! The rows of `TAP_SCHEMA`.

use std::sync::Arc;

use adql::datatype::CellType;
use adql::schema::written;
use adql::{Column, Table};
use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;

use super::{Key, SchemaInfo};

/// The rows of the tables `own`, which come in the order of [`super::layout::tables`].
pub(super) fn batches(
    schemas: &[SchemaInfo],
    keys: &[Key],
    own: &[Arc<Table>],
) -> Result<Vec<RecordBatch>, ArrowError> {
    let all = [
        schema_rows(schemas),
        table_rows(schemas),
        column_rows(schemas),
        key_rows(keys),
        key_column_rows(keys),
    ];
    own.iter().zip(all).map(|(table, columns)| batch(table, columns)).collect()
}

fn batch(table: &Table, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let field = |column: &Column| Field::new(&column.name, column.data_type.clone(), true);
    let fields: Vec<Field> = table.columns.iter().map(field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    optional(values.into_iter().map(Some))
}

fn optional<S: AsRef<str>>(values: impl IntoIterator<Item = Option<S>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

fn nulls(count: usize) -> ArrayRef {
    Arc::new(StringArray::new_null(count))
}

fn places(count: usize) -> impl Iterator<Item = i32> {
    (0..count).map(|at| i32::try_from(at).unwrap_or(i32::MAX))
}

fn schema_rows(schemas: &[SchemaInfo]) -> Vec<ArrayRef> {
    vec![
        texts(schemas.iter().map(|s| &s.name)),
        nulls(schemas.len()),
        optional(schemas.iter().map(|s| s.description.as_deref())),
        Arc::new(Int32Array::from_iter_values(places(schemas.len()))),
    ]
}

fn table_rows(schemas: &[SchemaInfo]) -> Vec<ArrayRef> {
    let all = || schemas.iter().flat_map(|s| s.tables.iter().map(move |t| (&s.name, t)));
    let places = schemas.iter().flat_map(|s| listed(s.tables.iter().map(|table| table.index)));
    vec![
        texts(all().map(|(schema, _)| schema)),
        texts(all().map(|(_, t)| t.name.written())),
        texts(all().map(|(_, t)| if t.view.is_some() { "view" } else { "table" })),
        optional(all().map(|(_, t)| t.utype.as_deref())),
        optional(all().map(|(_, t)| t.words())),
        Arc::new(Int32Array::from_iter_values(places)),
    ]
}

fn column_rows(schemas: &[SchemaInfo]) -> Vec<ArrayRef> {
    let tables = || schemas.iter().flat_map(|s| &s.tables);
    let all: Vec<&Column> = tables().flat_map(|t| t.visible_columns()).collect();
    let types: Vec<CellType> =
        all.iter().map(|c| CellType::of(&c.data_type, c.xtype.as_deref())).collect();
    let table_names =
        tables().flat_map(|t| std::iter::repeat_n(t.name.written(), t.visible_columns().count()));
    let places = tables().flat_map(|t| listed(t.visible_columns().map(|c| c.index)));
    let flag = |flag: fn(&Column) -> bool| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(all.iter().map(|c| i32::from(flag(c)))))
    };
    let xtype = |(c, t): (&&Column, &CellType)| c.xtype.clone().or(t.xtype.map(str::to_owned));
    vec![
        texts(table_names),
        texts(all.iter().map(|c| written(&c.name))),
        texts(types.iter().map(|t| t.kind.name())),
        optional(types.iter().map(CellType::array_size)),
        optional(all.iter().zip(&types).map(xtype)),
        Arc::new(Int32Array::from_iter(types.iter().map(size))),
        optional(all.iter().map(|c| c.words())),
        optional(all.iter().map(|c| c.utype.as_deref())),
        optional(all.iter().map(|c| c.unit.as_deref())),
        optional(all.iter().map(|c| c.ucd.as_deref())),
        flag(|c| c.indexed),
        flag(|c| c.principal),
        flag(|c| c.std),
        Arc::new(Int32Array::from_iter_values(places)),
    ]
}

/// Places in a list: those that have an index come first, by it, the others as they are.
fn listed(indexes: impl Iterator<Item = Option<u32>>) -> Vec<i32> {
    let mut order: Vec<(u32, usize)> =
        indexes.enumerate().map(|(at, index)| (index.unwrap_or(u32::MAX), at)).collect();
    order.sort_unstable();
    let mut places = vec![0; order.len()];
    for (place, (_, at)) in order.into_iter().enumerate() {
        places[at] = i32::try_from(place).unwrap_or(i32::MAX);
    }
    places
}

/// The length of one-dimensional values; NULL for scalars, for any length and for more dimensions.
fn size(cell: &CellType) -> Option<i32> {
    match cell.dimensions.as_slice() {
        [length] if !cell.variable => i32::try_from(*length).ok(),
        _ => None,
    }
}

fn key_rows(keys: &[Key]) -> Vec<ArrayRef> {
    vec![
        texts(keys.iter().map(|k| &k.id)),
        texts(keys.iter().map(|k| k.from.written())),
        texts(keys.iter().map(|k| k.target.written())),
        optional(keys.iter().map(|k| k.description.as_deref())),
        nulls(keys.len()),
    ]
}

fn key_column_rows(keys: &[Key]) -> Vec<ArrayRef> {
    let all = || keys.iter().flat_map(|k| k.written_columns().map(move |pair| (&k.id, pair)));
    vec![
        texts(all().map(|(id, _)| id)),
        texts(all().map(|(_, (from, _))| from)),
        texts(all().map(|(_, (_, target))| target)),
    ]
}
