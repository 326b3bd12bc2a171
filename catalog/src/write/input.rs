//! What a writer takes: batches of one schema, from which it makes the rows of a HATS table.
//!
//! The spatial index becomes the first column, NaN becomes NULL, and a row without a position on
//! the sky is told, never tiled somewhere.

use std::collections::HashSet;
use std::sync::Arc;

use adql::function::nan_to_null::without_nan;
use adql::sky::{Order, Pixel, Position, spatial_index};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::hats::TILE_COLUMNS;
use crate::write::WriteOptions;
use crate::write::runs::bytes;
use crate::{Error, SPATIAL_INDEX};

/// How far a position may be from the center of the cell that a ready spatial index names, in
/// degrees: a cell of order 29 and the next, since implementations round differently.
pub(crate) const CELL_DEG: f64 = 4e-7;

/// The schema of what comes in and of what is written.
#[derive(Debug)]
pub(crate) struct Input {
    table: String,
    incoming: SchemaRef,
    written: SchemaRef,
    ra: usize,
    dec: usize,
    /// The column with a ready spatial index.
    ready: Option<usize>,
}

/// Rows with their spatial index, and those that have no place.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) placed: RecordBatch,
    /// Of the rows with a place, in memory.
    pub(super) bytes: usize,
    pub(crate) unplaced: Option<RecordBatch>,
}

impl Prepared {
    fn new(placed: RecordBatch, unplaced: Option<RecordBatch>) -> Self {
        Self { bytes: bytes(&placed), placed, unplaced }
    }

    /// Memory of all rows.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.unplaced.as_ref().map_or(0, bytes)
    }
}

impl Input {
    pub(super) fn new(
        table: String,
        options: &WriteOptions,
        schema: &Schema,
    ) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Input { table: table.clone(), reason };
        check_names(&table, schema)?;
        let find = |role: &str, name: &str, data_type: &DataType| {
            let index = schema.index_of(name);
            let index = index.map_err(|_| wrong(format!("it has no column {name} for {role}")))?;
            match schema.field(index).data_type() {
                found if found == data_type => Ok(index),
                found => Err(wrong(format!("column {name} is {found}, but {role} is {data_type}"))),
            }
        };
        let ra = find("the right ascension", &options.ra, &DataType::Float64)?;
        let dec = find("the declination", &options.dec, &DataType::Float64)?;
        let ready = match schema.index_of(SPATIAL_INDEX) {
            Ok(_) => Some(find("the spatial index", SPATIAL_INDEX, &DataType::Int64)?),
            Err(_) => None,
        };
        let mut fields = vec![Field::new(SPATIAL_INDEX, DataType::Int64, false)];
        for (at, field) in schema.fields().iter().enumerate() {
            if Some(at) != ready {
                let nullable = field.is_nullable() || field.data_type().is_floating();
                fields.push(Field::new(field.name(), field.data_type().clone(), nullable));
            }
        }
        let written = Arc::new(Schema::new(fields));
        let incoming = Arc::new(schema.clone());
        Ok(Self { table, incoming, written, ra, dec, ready })
    }

    /// The schema of the files.
    pub(super) fn written(&self) -> &SchemaRef {
        &self.written
    }

    /// Makes rows of a batch.
    pub(crate) fn prepare(&self, batch: &RecordBatch) -> Result<Prepared, Error> {
        self.check(batch)?;
        let places = self.places(batch);
        if places.iter().all(Option::is_some) {
            return Ok(Prepared::new(self.rows(batch, &places)?, None));
        }
        let part = |placed: bool| {
            let chosen = places.iter().map(|place| Some(place.is_some() == placed));
            let chosen: BooleanArray = chosen.collect();
            filter_record_batch(batch, &chosen).map_err(|e| Error::compute("part rows", e))
        };
        let placed: Vec<Option<i64>> = places.iter().copied().filter(Option::is_some).collect();
        Ok(Prepared::new(self.rows(&part(true)?, &placed)?, Some(part(false)?)))
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), Error> {
        let wanted = self.incoming.fields().iter().map(|f| (f.name(), f.data_type()));
        let schema = batch.schema();
        if wanted.eq(schema.fields().iter().map(|f| (f.name(), f.data_type()))) {
            return Ok(());
        }
        let reason = format!("a batch has the columns {schema}, not {}", self.incoming);
        Err(Error::Input { table: self.table.clone(), reason })
    }

    fn position<'a>(&self, batch: &'a RecordBatch) -> (&'a Float64Array, &'a Float64Array) {
        (batch.column(self.ra).as_primitive(), batch.column(self.dec).as_primitive())
    }

    /// The spatial index of each row, computed from its position; none where it has no position, or
    /// one that contradicts the ready index.
    fn places(&self, batch: &RecordBatch) -> Vec<Option<i64>> {
        let (ra, dec) = self.position(batch);
        let ready = self.ready.map(|at| batch.column(at).as_primitive::<Int64Type>());
        let places = ra.iter().zip(dec).enumerate().map(|(row, (ra, dec))| {
            let (ra, dec) = (ra?, dec?);
            let computed = spatial_index(ra, dec).filter(|_| (0.0..=360.0).contains(&ra))?;
            let agrees = |ready: &Int64Array| {
                ready.is_valid(row)
                    && (ready.value(row) == computed
                        || is_near(ready.value(row), ra, dec, CELL_DEG))
            };
            ready.is_none_or(agrees).then_some(computed)
        });
        places.collect()
    }

    /// The rows as they are written.
    fn rows(&self, batch: &RecordBatch, places: &[Option<i64>]) -> Result<RecordBatch, Error> {
        let places: Int64Array = places.iter().map(|place| place.unwrap_or(0)).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(places)];
        for (at, column) in batch.columns().iter().enumerate() {
            if Some(at) != self.ready {
                columns.push(without_nan(column));
            }
        }
        RecordBatch::try_new(Arc::clone(&self.written), columns)
            .map_err(|e| Error::compute("take rows", e))
    }

    /// Says what is wrong with the first row of a batch that has no place; `row` counts the rows
    /// before the batch.
    pub(super) fn refusal(&self, batch: &RecordBatch, row: u64) -> Error {
        let places = self.places(batch);
        let at = places.iter().position(Option::is_none).unwrap_or(0);
        let (ra, dec) = self.position(batch);
        let value = |column: &Float64Array| column.is_valid(at).then(|| column.value(at));
        let good_ra = value(ra).is_some_and(|ra| (0.0..=360.0).contains(&ra));
        let good_dec = value(dec).is_some_and(|dec| (-90.0..=90.0).contains(&dec));
        let (column, value, wanted) = match (good_ra, good_dec, self.ready) {
            (false, _, _) => (self.ra, value(ra), "a right ascension of 0 to 360 degrees"),
            (true, false, _) => (self.dec, value(dec), "a declination of -90 to 90 degrees"),
            (true, true, ready) => (ready.unwrap_or(self.ra), None, "the index of its position"),
        };
        let index = batch.column(column).as_primitive_opt::<Int64Type>();
        let index = index.filter(|index| index.is_valid(at)).map(|index| index.value(at));
        let value = value.map(|v| v.to_string()).or_else(|| index.map(|v| v.to_string()));
        Error::Position {
            table: self.table.clone(),
            row: row + u64::try_from(at).unwrap_or(0),
            column: self.incoming.field(column).name().clone(),
            value: value.unwrap_or_else(|| "NULL".to_owned()),
            wanted,
        }
    }
}

/// Whether each column has a name of its own, and none that HATS uses.
pub(super) fn check_names(table: &str, schema: &Schema) -> Result<(), Error> {
    let wrong = |reason: String| Error::Input { table: table.to_owned(), reason };
    let mut names = HashSet::new();
    for field in schema.fields() {
        let name = field.name();
        if name.is_empty() || !names.insert(name.as_str()) {
            return Err(wrong(format!("two columns, or one without letters, are named {name:?}")));
        }
        if TILE_COLUMNS.contains(&name.as_str()) {
            return Err(wrong(format!("{name} cannot name a column: HATS uses it for tiles")));
        }
    }
    Ok(())
}

/// Whether the cell that a spatial index names is that of a position, or so few degrees off.
pub(crate) fn is_near(spatial_index: i64, ra: f64, dec: f64, degrees: f64) -> bool {
    let cell = u64::try_from(spatial_index).ok().and_then(|at| Pixel::new(Order::MAX, at));
    let position = Position::from_degrees(ra, dec);
    cell.zip(position)
        .is_some_and(|(cell, position)| cell.center().distance(&position).degrees() < degrees)
}
