//! The side of a join by position that is kept in memory: its rows, and the index of their places.

use std::sync::Arc;

use adql::function::cross_match::{Bound, Reach};
use adql::sky::Zones;
use datafusion::arrow::array::{Array, Float64Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_float64_array;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::metrics::Count;
use futures::TryStreamExt as _;

use super::condition::{Condition, Place, Radius, Ranking};

/// What making the index takes for each row at most.
const INDEX_BYTES: usize = 80;

/// How near a row of the other side has to be.
#[derive(Debug)]
pub(super) enum Reaches {
    /// As near to each row; none: no row is near enough.
    Constant(Option<Reach>),
    /// As its own radius says.
    OfProbe(Bound),
    /// As the radius of the row that is built says.
    OfBuild(Bound, Float64Array),
}

/// The rows of a side with the index of their places.
#[derive(Debug)]
pub(super) struct BuildSide {
    pub(super) rows: RecordBatch,
    pub(super) zones: Zones,
    pub(super) reaches: Reaches,
    /// Given back with the last stream that reads it.
    _memory: MemoryReservation,
}

impl BuildSide {
    /// Reads a side to its end.
    ///
    /// # Errors
    /// When the side fails, or does not fit in the memory of its query.
    pub(super) async fn collect(
        mut side: SendableRecordBatchStream,
        condition: Condition,
        memory: MemoryReservation,
        rows_built: Count,
    ) -> Result<Self> {
        let schema = side.schema();
        let (mut batches, mut rows) = (Vec::new(), 0);
        while let Some(batch) = side.try_next().await? {
            rows += batch.num_rows();
            let bytes = batch.get_array_memory_size() + INDEX_BYTES * batch.num_rows();
            memory.try_grow(bytes).map_err(|error| too_large(&error, rows))?;
            batches.push(batch);
        }
        drop(side);
        if u32::try_from(rows).is_err() {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "a join by position keeps one of its sides in memory, of which {rows} rows are \
                 too many: restrict it by a region or by other conditions"
            )));
        }
        rows_built.add(rows);
        let all = whole(&schema, batches, rows, &memory)?;
        // What follows takes a moment for each million of rows.
        tokio::task::yield_now().await;
        let reaches = reaches(&condition, &all)?;
        let [lon, lat] = coordinates(&condition.build, &all)?;
        let zones = index([&lon, &lat], &reaches, condition.ranking.as_ref());
        memory.resize(all.get_array_memory_size() + zones.bytes());
        Ok(Self { rows: all, zones, reaches, _memory: memory })
    }
}

/// The coordinates of the places of a batch. Where both are taken out of one point, as of a star at
/// another epoch, that is computed once.
pub(super) fn coordinates([lon, lat]: &Place, batch: &RecordBatch) -> Result<[Float64Array; 2]> {
    let call = |expr: &Arc<dyn PhysicalExpr>| -> Option<Arc<dyn PhysicalExpr>> {
        let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
        match call.args() {
            [point] => Some(Arc::clone(point)),
            _ => None,
        }
    };
    let (Some(point), Some(other)) = (call(lon), call(lat)) else {
        return Ok([doubles(lon, batch)?, doubles(lat, batch)?]);
    };
    if point != other || point.is::<Column>() {
        return Ok([doubles(lon, batch)?, doubles(lat, batch)?]);
    }
    let points = point.evaluate(batch)?.into_array(batch.num_rows())?;
    let points = RecordBatch::try_from_iter_with_nullable([("point", points, true)])?;
    let of_points = |expr: &Arc<dyn PhysicalExpr>| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("point", 0));
        doubles(&Arc::clone(expr).with_new_children(vec![column])?, &points)
    };
    Ok([of_points(lon)?, of_points(lat)?])
}

/// The values of an expression for the rows of a batch.
pub(super) fn doubles(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<Float64Array> {
    let values = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    Ok(as_float64_array(&values)?.clone())
}

/// One batch of many, column by column, so that no more than one column is there twice.
fn whole(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    memory: &MemoryReservation,
) -> Result<RecordBatch> {
    let mut parts: Vec<Vec<_>> = vec![Vec::with_capacity(batches.len()); schema.fields().len()];
    for batch in batches {
        let (_, columns, _) = batch.into_parts();
        for (part, column) in parts.iter_mut().zip(columns) {
            part.push(column);
        }
    }
    let columns = parts.into_iter().zip(schema.fields()).map(|(part, field)| {
        let part: Vec<&dyn Array> = part.iter().map(AsRef::as_ref).collect();
        if part.is_empty() {
            return Ok(datafusion::arrow::array::new_empty_array(field.data_type()));
        }
        let bytes = part.iter().map(|column| column.get_array_memory_size()).sum();
        memory.try_grow(bytes).map_err(|error| too_large(&error, rows))?;
        let column = concat(&part)?;
        memory.shrink(bytes);
        Ok(column)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn too_large(error: &DataFusionError, rows: usize) -> DataFusionError {
    let root = error.find_root();
    DataFusionError::ResourcesExhausted(format!(
        "a join by position keeps one of its sides in memory, and {rows} rows of it do not fit \
         ({}): restrict that side by a region or by other conditions, or ask for fewer of its \
         columns",
        root.message()
    ))
}

fn reaches(condition: &Condition, rows: &RecordBatch) -> Result<Reaches> {
    let bound = condition.bound;
    let radius = match &condition.radius {
        Radius::Probe(_) => return Ok(Reaches::OfProbe(bound)),
        Radius::Build(radius) => radius,
    };
    Ok(match radius.evaluate(rows)? {
        ColumnarValue::Scalar(ScalarValue::Float64(radius)) => {
            Reaches::Constant(radius.and_then(|radius| bound.reach(radius)))
        }
        value => {
            let radii = value.into_array(rows.num_rows())?;
            Reaches::OfBuild(bound, as_float64_array(&radii)?.clone())
        }
    })
}

/// The index of the rows that may have a match.
fn index([lon, lat]: [&Float64Array; 2], reaches: &Reaches, ranking: Option<&Ranking>) -> Zones {
    let (lons, lats) = (lon.values(), lat.values());
    let has_place = |row: usize| lon.is_valid(row) && lat.is_valid(row);
    let places = (0..lon.len()).filter(|row| has_place(*row));
    #[expect(clippy::cast_possible_truncation, reason = "no side has more than 2^32 rows")]
    let place = |row: usize| (row as u32, lons[row], lats[row]);
    match reaches {
        Reaches::Constant(None) => Zones::new(0.0, std::iter::empty()),
        Reaches::Constant(Some(reach)) if let Some(ranking) = ranking => {
            Zones::of_nearest(reach.degrees(), ranking.most, places.map(place))
        }
        Reaches::OfProbe(_) if let Some(ranking) = ranking => {
            Zones::of_nearest(180.0, ranking.most, places.map(place))
        }
        Reaches::Constant(Some(reach)) => Zones::new(reach.degrees(), places.map(place)),
        Reaches::OfProbe(_) => Zones::new(0.0, places.map(place)),
        Reaches::OfBuild(bound, radii) => {
            let reach = |row: usize| {
                let reach = radii.is_valid(row).then(|| bound.reach(radii.value(row)))?;
                reach.map(|reach| reach.degrees())
            };
            let widest = (0..radii.len()).filter_map(reach).fold(0.0, f64::max);
            Zones::new(widest, places.filter(|row| reach(*row).is_some()).map(place))
        }
    }
}
