//! How the rows of a table are made, whatever they are.

use std::collections::HashSet;

use adql::sky::{Angle, Pixel};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;

use super::Sky;
use super::column::{self, Column};
use super::lsst::Columns;
use crate::metadata::TableMetadata;
use crate::{Error, SPATIAL_INDEX};

/// What makes the rows of a table, in columns.
pub(super) trait Rows: Send + Sync {
    fn schema(&self) -> Schema;

    fn metadata(&self) -> TableMetadata;

    /// The rows of these pixels of the generator, and how far one is from the place by which it is
    /// tiled at most.
    fn batch(&self, sky: &Sky, pixels: &[Pixel]) -> Result<(RecordBatch, Angle), ArrowError>;
}

/// Adds the rows of a pixel.
type Make<R> = fn(&Sky, Pixel, &mut Vec<R>);

/// Rows of one type.
pub(super) struct RowsOf<R: 'static> {
    columns: Vec<&'static Column<R>>,
    make: Make<R>,
    slack: Option<fn(&R) -> Angle>,
}

impl<R> RowsOf<R> {
    pub(super) fn all(columns: &'static [Column<R>], make: Make<R>) -> Self {
        Self { columns: columns.iter().collect(), make, slack: None }
    }

    /// Rows with the spatial index and these columns, in the order of the table. Of the lists in
    /// `first`, the columns of the first one are always there, and those of the others are the next
    /// where columns are counted.
    pub(super) fn chosen(
        columns: &'static [Column<R>],
        wanted: &Columns,
        first: &[&[&str]],
        make: Make<R>,
    ) -> Result<Self, Error> {
        let must = || first.iter().take(1).flat_map(|names| names.iter().copied());
        let names: HashSet<&str> = match wanted {
            Columns::All => columns.iter().map(|column| column.name.as_ref()).collect(),
            Columns::First(count) => {
                let listed = first.iter().flat_map(|names| names.iter().copied());
                let principal = columns.iter().filter(|column| column.is_principal());
                let all = principal.chain(columns).map(|column| column.name.as_ref());
                let mut seen = HashSet::from([SPATIAL_INDEX]);
                let distinct = listed.chain(all).filter(|name| seen.insert(name));
                distinct.take((*count).max(must().count())).collect()
            }
            Columns::Named(names) => {
                let has = |name: &String| columns.iter().any(|column| column.name == *name);
                if let Some(name) = names.iter().find(|name| !has(name)) {
                    let reason = format!("it has no column {name}");
                    return Err(Error::Input { table: "the synthetic sky".to_owned(), reason });
                }
                names.iter().map(String::as_str).chain(must()).collect()
            }
        };
        let chosen = columns
            .iter()
            .filter(|column| column.name == SPATIAL_INDEX || names.contains(column.name.as_ref()));
        Ok(Self { columns: chosen.collect(), make, slack: None })
    }

    /// The same, where rows are off the place by which they are tiled.
    pub(super) fn with_slack(mut self, slack: fn(&R) -> Angle) -> Self {
        self.slack = Some(slack);
        self
    }

    /// The same, made otherwise.
    pub(super) fn made_by(mut self, make: Make<R>) -> Self {
        self.make = make;
        self
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_ref())
    }
}

impl<R> Rows for RowsOf<R> {
    fn schema(&self) -> Schema {
        column::schema(&self.columns)
    }

    fn metadata(&self) -> TableMetadata {
        column::metadata(&self.columns)
    }

    fn batch(&self, sky: &Sky, pixels: &[Pixel]) -> Result<(RecordBatch, Angle), ArrowError> {
        let mut rows = Vec::new();
        for pixel in pixels {
            (self.make)(sky, *pixel, &mut rows);
        }
        let mut slack = Angle::ZERO;
        for angle in self.slack.iter().flat_map(|slack| rows.iter().map(slack)) {
            if angle > slack {
                slack = angle;
            }
        }
        Ok((column::batch(&self.columns, &rows)?, slack))
    }
}
