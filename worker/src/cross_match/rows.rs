//! Rows out of pairs: columns of both sides, and rows of the streamed side that have no match.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array,
    new_null_array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::physical_plan::ExecutionPlan as _;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};

use super::probe::{Pairs, Probe};

/// What becomes of pairs.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    columns: Vec<ColumnIndex>,
    join_type: JoinType,
    residual: Option<JoinFilter>,
}

impl Rows {
    /// The rows that a join delivers.
    pub(super) fn of(join: &NestedLoopJoinExec, residual: Option<JoinFilter>) -> Self {
        let (left, right) = (join.left().schema(), join.right().schema());
        let (_, columns) = build_join_schema(&left, &right, join.join_type());
        let columns = match join.projection() {
            Some(projection) => projection.iter().map(|at| columns[*at].clone()).collect(),
            None => columns,
        };
        Self { schema: join.schema(), columns, join_type: *join.join_type(), residual }
    }

    /// Whether it has to be known which rows of the streamed side have a match, and whether one
    /// match of a row is enough.
    pub(super) fn asks(&self) -> (bool, bool) {
        let of_one_side = matches!(self.join_type, JoinType::RightSemi | JoinType::RightAnti);
        (self.join_type != JoinType::Inner, of_one_side && self.residual.is_none())
    }

    /// Whether no row without a match is delivered.
    pub(super) fn are_pairs(&self) -> bool {
        matches!(self.join_type, JoinType::Inner | JoinType::RightSemi)
    }

    /// The rows of pairs, where pairs are delivered; of them those for which all else holds.
    pub(super) fn of_pairs(
        &self,
        build: &RecordBatch,
        probe: &mut Probe,
        pairs: &mut Pairs,
    ) -> Result<Option<RecordBatch>> {
        if pairs.build.is_empty() {
            return Ok(None);
        }
        let mut rows = [std::mem::take(&mut pairs.build), std::mem::take(&mut pairs.probe)]
            .map(UInt32Array::from);
        if let Some(residual) = &self.residual {
            let holds = holds(residual, build, &probe.batch, &rows)?;
            if holds.true_count() < rows[0].len() {
                rows = [kept(&rows[0], &holds)?, kept(&rows[1], &holds)?];
            }
        }
        if !probe.matched.is_empty() {
            for row in rows[1].values() {
                probe.matched[*row as usize] = true;
            }
        }
        let delivers = matches!(self.join_type, JoinType::Inner | JoinType::Right);
        if !delivers || rows[0].is_empty() {
            return Ok(None);
        }
        let column = |column: &ColumnIndex| -> Result<ArrayRef> {
            Ok(match column.side {
                JoinSide::Left => take(build.column(column.index), &rows[0], None)?,
                JoinSide::Right | JoinSide::None => {
                    take(probe.batch.column(column.index), &rows[1], None)?
                }
            })
        };
        self.batch(rows[0].len(), column).map(Some)
    }

    /// The rows of the streamed side that are delivered when all of its matches are known.
    pub(super) fn of_rest(&self, probe: &Probe) -> Result<Option<RecordBatch>> {
        let wanted = match self.join_type {
            JoinType::Right | JoinType::RightAnti => false,
            JoinType::RightSemi => true,
            _ => return Ok(None),
        };
        let rows = probe.matched.iter().zip(0_u32..).filter(|(matched, _)| **matched == wanted);
        let rows: UInt32Array = rows.map(|(_, row)| row).collect::<Vec<_>>().into();
        if rows.is_empty() {
            return Ok(None);
        }
        let mut types = self.schema.fields().iter().map(|field| field.data_type());
        let column = |column: &ColumnIndex| -> Result<ArrayRef> {
            let data_type = types.next();
            Ok(match (column.side, data_type) {
                (JoinSide::Left, Some(data_type)) => new_null_array(data_type, rows.len()),
                _ => take(probe.batch.column(column.index), &rows, None)?,
            })
        };
        self.batch(rows.len(), column).map(Some)
    }

    fn batch(
        &self,
        rows: usize,
        column: impl FnMut(&ColumnIndex) -> Result<ArrayRef>,
    ) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// Which pairs satisfy a filter.
pub(super) fn holds(
    filter: &JoinFilter,
    build: &RecordBatch,
    probe: &RecordBatch,
    rows: &[UInt32Array; 2],
) -> Result<BooleanArray> {
    let columns = filter.column_indices().iter().map(|column| match column.side {
        JoinSide::Left => take(build.column(column.index), &rows[0], None),
        JoinSide::Right | JoinSide::None => take(probe.column(column.index), &rows[1], None),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows[0].len()));
    let pairs = RecordBatch::try_new_with_options(Arc::clone(filter.schema()), columns, &options)?;
    let holds = filter.expression().evaluate(&pairs)?.into_array(rows[0].len())?;
    let holds = as_boolean_array(&holds)?;
    // NULL is not true.
    Ok(match holds.nulls() {
        Some(nulls) => BooleanArray::new(holds.values() & nulls.inner(), None),
        None => holds.clone(),
    })
}

fn kept(rows: &UInt32Array, holds: &BooleanArray) -> Result<UInt32Array> {
    let kept = datafusion::arrow::compute::filter(rows, holds)?;
    Ok(datafusion::common::cast::as_uint32_array(&kept)?.clone())
}
