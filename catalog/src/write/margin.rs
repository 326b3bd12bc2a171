//! Margins: for every tile the rows of other tiles that lie within a threshold of it.
//!
//! Pixels without rows have margins too: a table that has rows there finds in them what is near.

use adql::sky::{Angle, Pixel, Position, Surroundings};
use datafusion::arrow::array::{AsArray, BooleanArray, Float64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;

use crate::Error;
use crate::write::runs::{Runs, spatial_index};

/// The rows around a pixel, at least those within the threshold.
pub(super) fn rows_around(
    runs: &Runs,
    pixel: Pixel,
    threshold_arcsec: f64,
    (ra, dec): (usize, usize),
) -> Result<Vec<RecordBatch>, Error> {
    let around = Surroundings::new(pixel, Angle::from_degrees(threshold_arcsec / 3600.0));
    let mut near = Vec::new();
    for batch in runs.gather(&around.ranges())? {
        let lon: &Float64Array = batch.column(ra).as_primitive();
        let lat: &Float64Array = batch.column(dec).as_primitive();
        let positions = lon.values().iter().zip(lat.values());
        let held = spatial_index(&batch).iter().zip(positions).map(|(index, (lon, lat))| {
            let position = Position::from_degrees(*lon, *lat);
            Some(position.is_some_and(|p| around.holds(index.cast_unsigned(), &p)))
        });
        let held: BooleanArray = held.collect();
        if held.true_count() > 0 {
            let rows = filter_record_batch(&batch, &held);
            near.push(rows.map_err(|e| Error::compute("choose margin rows", e))?);
        }
    }
    Ok(near)
}
