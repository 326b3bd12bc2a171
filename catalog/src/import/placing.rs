//! Where a row of an import is tiled: by its own position, or by that of its parent.

use std::sync::Arc;

use adql::sky::Position;
use datafusion::arrow::array::{Array as _, ArrayRef, Float64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::journal::Tally;
use super::parent::{self, Parent};
use super::position::{Positions, free_name};
use crate::Error;
use crate::metadata::{ColumnMetadata, KeyMetadata, PositionMetadata, TableMetadata};

/// Makes the rows of a table of those of a file.
#[derive(Debug)]
pub(super) struct Placer {
    table: String,
    /// The row's own; a child may have none.
    own: Option<Positions>,
    parents: Option<Parents>,
    schema: SchemaRef,
}

#[derive(Debug)]
struct Parents {
    parent: Parent,
    positions: parent::Positions,
    /// The columns with the position of the parent.
    columns: [String; 2],
}

impl Placer {
    /// By the row's own position.
    pub(super) fn by_position(table: &str, own: Positions) -> Self {
        let schema = Arc::clone(own.schema());
        Self { table: table.to_owned(), own: Some(own), parents: None, schema }
    }

    /// By the position of its parent, or else its own; the incoming columns are `schema`.
    pub(super) fn by_parent(
        table: &str,
        own: Option<Positions>,
        schema: &SchemaRef,
        (parent, positions): (Parent, parent::Positions),
    ) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Input { table: table.to_owned(), reason };
        let schema = own.as_ref().map_or(schema, Positions::schema);
        let empty = RecordBatch::new_empty(Arc::clone(schema));
        parent::ids(&empty, &parent.key).map_err(wrong)?;
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().map(Arc::clone).collect();
        let columns = ["parent_ra", "parent_dec"].map(|wanted| {
            let name = free_name(&fields, wanted);
            fields.push(Arc::new(Field::new(&name, DataType::Float64, true)));
            name
        });
        let schema = Arc::new(Schema::new(fields));
        let parents = Some(Parents { parent, positions, columns });
        Ok(Self { table: table.to_owned(), own, parents, schema })
    }

    /// The columns of the rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns by which rows are tiled.
    pub(super) fn tiled_by(&self) -> [&str; 2] {
        match (&self.parents, &self.own) {
            (Some(parents), _) => parents.columns.each_ref().map(String::as_str),
            (None, Some(own)) => own.degrees(),
            (None, None) => [""; 2],
        }
    }

    /// The rows with everything that places them.
    pub(super) fn place(
        &self,
        rows: &RecordBatch,
        tally: &mut Tally,
    ) -> Result<RecordBatch, Error> {
        let rows = match &self.own {
            Some(own) => own.convert(rows)?,
            None => rows.clone(),
        };
        let Some(parents) = &self.parents else { return Ok(rows) };
        let wrong = |reason: String| Error::Input { table: self.table.clone(), reason };
        let ids = parent::ids(&rows, &parents.parent.key).map_err(wrong)?;
        let own = self.own.as_ref().map(|own| own.degrees_of(&rows));
        let own = |row: usize| {
            let [ra, dec] = own?;
            let value = |c: &Float64Array| (!is_missing(c, row)).then(|| c.value(row));
            Some((value(ra)?, value(dec)?))
        };
        let mut places = parents.positions.of(&ids)?;
        for (row, place) in places.iter_mut().enumerate() {
            match (*place, own(row)) {
                (None, own) => {
                    tally.orphans += 1;
                    *place = own;
                }
                (Some(parent), Some(own)) => {
                    let [parent, own] =
                        [parent, own].map(|(ra, dec)| Position::from_degrees(ra, dec));
                    if let (Some(parent), Some(own)) = (parent, own) {
                        tally.slack_deg = tally.slack_deg.max(parent.distance(&own).degrees());
                    }
                }
                (Some(_), None) => {}
            }
        }
        let mut columns = rows.columns().to_vec();
        let ra = places.iter().map(|place| place.map(|(ra, _)| ra));
        columns.push(Arc::new(ra.collect::<Float64Array>()) as ArrayRef);
        let dec = places.iter().map(|place| place.map(|(_, dec)| dec));
        columns.push(Arc::new(dec.collect::<Float64Array>()));
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|e| Error::compute("place rows by their parents", e))
    }

    /// Counts why these rows, which have been placed, have no place.
    pub(super) fn count(&self, rows: &RecordBatch, tally: &mut Tally) {
        match &self.own {
            Some(own) => tally.reasons.add(own.reasons(rows)),
            None => tally.reasons.missing += u64::try_from(rows.num_rows()).unwrap_or(0),
        }
    }

    /// What is said of the columns, but for the slack, and what a person should know.
    pub(super) fn describe(&self, taken: &Schema, metadata: &mut TableMetadata) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(own) = &self.own {
            remarks.extend(own.describe(taken, metadata));
        }
        let Some(Parents { parent, columns, positions }) = &self.parents else { return remarks };
        metadata.position = self.own.as_ref().map(|own| {
            let [ra, dec] = own.degrees().map(str::to_owned);
            PositionMetadata { ra, dec, slack_arcsec: 0.0 }
        });
        let key = KeyMetadata {
            target: parent.table.to_string(),
            columns: [(parent.key.clone(), parent.id.clone())].into(),
            // Of parents that repeat an id, children lie with the first alone.
            tiled_with: parent.version().filter(|_| positions.repeated == 0),
            description: Some("the parent, with which the row lies on disk".to_owned()),
        };
        metadata.keys.retain(|known| {
            known.columns != key.columns || !known.target.eq_ignore_ascii_case(&key.target)
        });
        metadata.keys.push(key);
        if self.own.is_none() {
            // There is no position that it would be of.
            metadata.frames.retain(|frame| !frame.columns.is_empty());
        }
        let said = [("pos.eq.ra", "right ascension"), ("pos.eq.dec", "declination")];
        for (name, (ucd, coordinate)) in columns.iter().zip(said) {
            let column = ColumnMetadata {
                unit: Some("deg".to_owned()),
                ucd: Some(ucd.to_owned()),
                description: Some(format!(
                    "{coordinate} of the row of {} that the row is tiled by; its own where there \
                     is none",
                    parent.table
                )),
                ..ColumnMetadata::default()
            };
            metadata.columns.insert(name.clone(), column);
        }
        if positions.repeated > 0 {
            let (count, table, id) = (positions.repeated, &parent.table, &parent.id);
            remarks.push(format!(
                "{count} rows of {table} repeat a {id}: the first row of each counts"
            ));
        }
        remarks
    }
}

fn is_missing(column: &Float64Array, row: usize) -> bool {
    column.is_null(row) || column.value(row).is_nan()
}
