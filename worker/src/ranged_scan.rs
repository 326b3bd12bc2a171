//! A scan of tiles each of whose partitions reads only rows of its own parts of the sky.
//!
//! What a piece of the sky needs of its neighbours is a narrow band along its border. A scan has
//! one predicate for all of its partitions; here each has its ranges of the spatial index beside,
//! by which the reader leaves out row groups and pages, of each file by those in its tile.
//!
//! ```text
//! RangedScanExec    0: [a, b) [c, d)   1: [e, f)
//!   DataSourceExec  0: tile 1, tile 2  1: tile 2, tile 3
//! ```

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use adql::sky::Coverage;
use catalog::tile_of_path;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, lit};
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message;

/// A partition has at most so many ranges: they travel with the plan.
const RANGES_MAX: usize = 256;

/// A file is read by at most so many: each is a term of a predicate.
const RANGES_OF_FILE_MAX: usize = 64;

/// A scan with ranges of the spatial index for each partition.
#[derive(Debug)]
pub struct RangedScanExec {
    scan: Arc<dyn ExecutionPlan>,
    /// The column of the files that has the spatial index.
    column: String,
    /// For each partition; no more than [`RANGES_MAX`] in each.
    coverages: Vec<Coverage>,
}

impl RangedScanExec {
    /// The rows of a scan of Parquet files whose spatial index lies in the coverage of their
    /// partition, and some more around.
    pub fn new(scan: Arc<dyn ExecutionPlan>, column: String, coverages: Vec<Coverage>) -> Self {
        let coverages = coverages.into_iter().map(|c| c.coarsen(RANGES_MAX)).collect();
        Self { scan, column, coverages }
    }

    /// The scan of all rows.
    pub fn scan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.scan
    }

    fn config(&self) -> Result<&FileScanConfig> {
        let source = self.scan.downcast_ref::<DataSourceExec>();
        let scan = source.and_then(|source| source.data_source().downcast_ref());
        scan.ok_or_else(|| internal_datafusion_err!("{} is no scan of files", self.scan.name()))
    }

    /// The scans of one partition, a file each.
    fn of_partition(&self, partition: usize) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let group = self.config()?.file_groups.get(partition);
        let (Some(group), Some(coverage)) = (group, self.coverages.get(partition)) else {
            return internal_err!("RangedScanExec has no partition {partition}");
        };
        let mut scans = Vec::new();
        for file in group.iter() {
            let Some((_, tile)) = tile_of_path(&file.object_meta.location) else {
                return internal_err!("{} is no tile", file.object_meta.location);
            };
            let tile = Coverage::from_ranges([tile.range()]);
            let within = coverage.intersection(&tile);
            if !within.is_empty() {
                let within = Some(within).filter(|within| *within != tile);
                scans.push(self.of_file(file, within)?);
            }
        }
        Ok(scans)
    }

    /// The scan of a file, of which only a part is wanted.
    fn of_file(
        &self,
        file: &PartitionedFile,
        part: Option<Coverage>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut alone = self.config()?.clone();
        alone.file_groups = vec![FileGroup::new(vec![file.clone()])];
        alone.output_partitioning = None;
        if let Some(part) = part {
            alone.file_source = Arc::new(self.source(&part.coarsen(RANGES_OF_FILE_MAX))?);
        }
        Ok(DataSourceExec::from_data_source(alone))
    }

    /// The reader of a part of a file.
    fn source(&self, part: &Coverage) -> Result<ParquetSource> {
        let all = self.config()?.file_source();
        let Some(source) = all.downcast_ref::<ParquetSource>() else {
            return internal_err!("RangedScanExec reads Parquet files only");
        };
        let schema = all.table_schema().table_schema();
        let index: Arc<dyn PhysicalExpr> = Arc::new(Column::new_with_schema(&self.column, schema)?);
        let within = any_of(&index, part.ranges());
        let known = all.filter();
        // To test each row for its ranges costs more than the rows beside them, which may be read.
        let tests_rows = known.is_some();
        let source = source.with_predicate(conjunction(known.into_iter().chain([within])));
        Ok(source.with_pushdown_filters(tests_rows))
    }

    /// Column and ranges, as they travel.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let partitions = self.coverages.iter().map(|coverage| Partition {
            bounds: coverage.ranges().iter().flat_map(|range| [range.start, range.end]).collect(),
        });
        Ranges { column: self.column.clone(), partitions: partitions.collect() }.encode_to_vec()
    }

    /// The scan with what travelled; none where it is malformed.
    pub(crate) fn decoded(bytes: &[u8], scan: Arc<dyn ExecutionPlan>) -> Option<Self> {
        let Ranges { column, partitions } = Ranges::decode(bytes).ok()?;
        let coverages = partitions.into_iter().map(|partition| {
            let pairs = partition.bounds.chunks_exact(2);
            Coverage::from_ranges(pairs.map(|pair| pair[0]..pair[1]))
        });
        Some(Self::new(scan, column, coverages.collect()))
    }
}

#[derive(Clone, PartialEq, Message)]
struct Ranges {
    #[prost(string, tag = "1")]
    column: String,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<Partition>,
}

#[derive(Clone, PartialEq, Message)]
struct Partition {
    /// Starts and ends by turns.
    #[prost(uint64, repeated, tag = "1")]
    bounds: Vec<u64>,
}

/// Whether a spatial index is one of some ranges: an OR as deep as the logarithm of their number.
fn any_of(index: &Arc<dyn PhysicalExpr>, ranges: &[Range<u64>]) -> Arc<dyn PhysicalExpr> {
    match ranges {
        [] => lit(false),
        [range] => within(index, range),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            let (left, right) = (any_of(index, left), any_of(index, right));
            Arc::new(BinaryExpr::new(left, Operator::Or, right))
        }
    }
}

/// Whether a spatial index is one of a range.
fn within(index: &Arc<dyn PhysicalExpr>, range: &Range<u64>) -> Arc<dyn PhysicalExpr> {
    let compare = |op, bound: u64| -> Arc<dyn PhysicalExpr> {
        let bound = lit(ScalarValue::Int64(Some(i64::try_from(bound).unwrap_or(i64::MAX))));
        Arc::new(BinaryExpr::new(Arc::clone(index), op, bound))
    };
    conjunction([compare(Operator::GtEq, range.start), compare(Operator::Lt, range.end)])
}

impl DisplayAs for RangedScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: usize = self.coverages.iter().map(|coverage| coverage.ranges().len()).sum();
        write!(f, "RangedScanExec: {} in {ranges} ranges of its partitions", self.column)
    }
}

impl ExecutionPlan for RangedScanExec {
    fn name(&self) -> &'static str {
        "RangedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(scan), true) => {
                Ok(Arc::new(Self::new(scan, self.column.clone(), self.coverages.clone())))
            }
            _ => internal_err!("RangedScanExec has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let scans = stream::iter(self.of_partition(partition)?)
            .map(move |scan| scan.execute(0, Arc::clone(&context)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), scans)))
    }
}
