//! A scan of tiles each of whose partitions reads only rows of its own parts of the sky.
//!
//! A scan has one predicate for all of its partitions; here each has its ranges of the spatial index
//! beside, by which the reader leaves out row groups and pages, of each file by those in its tile.
//! Either partitions share tiles among them, row by row ([`Rows::OfPartition`]), or each reads what
//! a piece of the sky needs of its neighbours ([`Rows::Around`]): a narrow band along its border,
//! and from files of a margin the rows outside of the tiles that it reads, each once.
//!
//! ```text
//! RangedScanExec    0: [a, b) [c, d)             1: [e, f)
//!   DataSourceExec  0: tile 1, tile 2, margin 1  1: tile 2, tile 3
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
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNullExpr, lit};
use datafusion::physical_expr::{PhysicalExpr, conjunction};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message;

use crate::margin_rows::FirstFiles;

/// A partition that may read more than its coverage has at most so many ranges: they travel with the
/// plan.
const RANGES_MAX: usize = 256;

/// A file is read by at most so many: each is a term of a predicate.
const RANGES_OF_FILE_MAX: usize = 64;

/// A scan with ranges of the spatial index for each partition.
#[derive(Debug)]
pub struct RangedScanExec {
    scan: Arc<dyn ExecutionPlan>,
    /// The column of the files that has the spatial index.
    column: String,
    /// For each partition.
    coverages: Vec<Coverage>,
    of: Rows,
}

/// Which rows of its tiles a partition has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Those in its coverage, and in the first of the partitions that read a tile those without an
    /// index: each row of the tile is in one partition.
    OfPartition,
    /// Those in its coverage, and some more around.
    Around {
        /// Which files are those of a margin, if any may be.
        margin: Option<MarginFiles>,
    },
}

/// Which files of a scan are those of a margin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarginFiles {
    /// The folder of the margin, as [`tile_of_path`] has it.
    pub folder: String,
    /// Right ascension and declination, by which it has rows, as columns of the scan.
    pub position: [usize; 2],
}

/// Which rows of a file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Those in some ranges.
    Exactly,
    /// And those without an index.
    OrNoIndex,
    /// And any others that come with them.
    AndMore,
}

/// The scan of one file.
struct FileScan {
    scan: Arc<dyn ExecutionPlan>,
    is_of_margin: bool,
}

impl RangedScanExec {
    /// The rows of a scan of Parquet files whose spatial index, the column, lies in the coverage of
    /// their partition.
    pub fn new(
        scan: Arc<dyn ExecutionPlan>,
        column: String,
        mut coverages: Vec<Coverage>,
        of: Rows,
    ) -> Self {
        if of != Rows::OfPartition {
            coverages = coverages.into_iter().map(|c| c.coarsen(RANGES_MAX)).collect();
        }
        Self { scan, column, coverages, of }
    }

    /// Which of its files are those of a margin, if any may be.
    pub fn margin(&self) -> Option<&MarginFiles> {
        match &self.of {
            Rows::Around { margin } => margin.as_ref(),
            Rows::OfPartition => None,
        }
    }

    /// The scan of all rows.
    pub fn scan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.scan
    }

    fn config(&self) -> Result<&FileScanConfig> {
        let scan = self.files();
        scan.ok_or_else(|| internal_datafusion_err!("{} is no scan of files", self.scan.name()))
    }

    fn files(&self) -> Option<&FileScanConfig> {
        self.scan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref()
    }

    /// The scans of one partition, a file each; those of the margin are the last.
    fn of_partition(&self, partition: usize) -> Result<Vec<FileScan>> {
        let group = self.config()?.file_groups.get(partition);
        let (Some(group), Some(coverage)) = (group, self.coverages.get(partition)) else {
            return internal_err!("RangedScanExec has no partition {partition}");
        };
        let (mut scans, mut margin, mut tiles) = (Vec::new(), Vec::new(), Vec::new());
        for file in group.iter() {
            let Some((folder, tile)) = tile_of_path(&file.object_meta.location) else {
                return internal_err!("{} is no tile", file.object_meta.location);
            };
            if self.margin().is_some_and(|margin| margin.folder == folder) {
                margin.push(file);
                continue;
            }
            tiles.push(tile.range());
            let first = tile.range().start;
            let tile = Coverage::from_ranges([tile.range()]);
            let mut within = coverage.intersection(&tile);
            if within.is_empty() {
                continue;
            }
            let wanted = match self.of {
                Rows::OfPartition if within.contains(first) => Wanted::OrNoIndex,
                Rows::OfPartition => Wanted::Exactly,
                Rows::Around { .. } => {
                    within = within.coarsen(RANGES_OF_FILE_MAX);
                    Wanted::AndMore
                }
            };
            let source = (within != tile).then(|| self.source(&within, wanted)).transpose()?;
            scans.push(FileScan { scan: self.of_file(file, source)?, is_of_margin: false });
        }
        let beyond = coverage.intersection(&Coverage::from_ranges(tiles).complement());
        if !margin.is_empty() && !beyond.is_empty() {
            let source = self.source(&beyond, Wanted::Exactly)?;
            for file in margin {
                let scan = self.of_file(file, Some(source.clone()))?;
                scans.push(FileScan { scan, is_of_margin: true });
            }
        }
        Ok(scans)
    }

    /// The scan of a file, by this reader where only a part of it is wanted.
    fn of_file(
        &self,
        file: &PartitionedFile,
        source: Option<ParquetSource>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut alone = self.config()?.clone();
        alone.file_groups = vec![FileGroup::new(vec![file.clone()])];
        alone.output_partitioning = None;
        if let Some(source) = source {
            alone.file_source = Arc::new(source);
        }
        Ok(DataSourceExec::from_data_source(alone))
    }

    /// The reader of a part of a file.
    fn source(&self, part: &Coverage, wanted: Wanted) -> Result<ParquetSource> {
        let all = self.config()?.file_source();
        let Some(source) = all.downcast_ref::<ParquetSource>() else {
            return internal_err!("RangedScanExec reads Parquet files only");
        };
        let schema = all.table_schema().table_schema();
        let index: Arc<dyn PhysicalExpr> = Arc::new(Column::new_with_schema(&self.column, schema)?);
        let mut within = any_of(&index, part.ranges());
        if wanted == Wanted::OrNoIndex {
            let no_index = Arc::new(IsNullExpr::new(Arc::clone(&index)));
            within = Arc::new(BinaryExpr::new(no_index, Operator::Or, within));
        }
        let known = all.filter();
        // To test each row for its ranges costs more than the rows beside them, which may be read.
        let tests_rows = wanted != Wanted::AndMore || known.is_some();
        let source = source.with_predicate(conjunction(known.into_iter().chain([within])));
        Ok(source.with_pushdown_filters(tests_rows))
    }

    /// Column and ranges, as they travel.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let partitions = self.coverages.iter().map(|coverage| Partition {
            bounds: coverage.ranges().iter().flat_map(|range| [range.start, range.end]).collect(),
        });
        let margin = self.margin().map(|MarginFiles { folder, position }| Margin {
            folder: folder.clone(),
            position: position.iter().map(|at| u64::try_from(*at).unwrap_or(u64::MAX)).collect(),
        });
        let (column, partitions) = (self.column.clone(), partitions.collect());
        let are_shared = self.of == Rows::OfPartition;
        Ranges { column, partitions, margin, are_shared }.encode_to_vec()
    }

    /// The scan with what travelled; none where it is malformed.
    pub(crate) fn decoded(bytes: &[u8], scan: Arc<dyn ExecutionPlan>) -> Option<Self> {
        let Ranges { column, partitions, margin, are_shared } = Ranges::decode(bytes).ok()?;
        let coverages = partitions.into_iter().map(|partition| {
            let pairs = partition.bounds.chunks_exact(2);
            Coverage::from_ranges(pairs.map(|pair| pair[0]..pair[1]))
        });
        let columns = scan.schema().fields().len();
        let margin = match margin {
            Some(Margin { folder, position }) => {
                let position = position.into_iter().map(|at| usize::try_from(at).ok());
                let position = position.collect::<Option<Vec<usize>>>()?.try_into().ok();
                let position: [usize; 2] =
                    position.filter(|at: &[usize; 2]| at.iter().all(|at| *at < columns))?;
                Some(MarginFiles { folder, position })
            }
            None => None,
        };
        let of = if are_shared { Rows::OfPartition } else { Rows::Around { margin } };
        Some(Self::new(scan, column, coverages.collect(), of))
    }
}

#[derive(Clone, PartialEq, Message)]
struct Ranges {
    #[prost(string, tag = "1")]
    column: String,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<Partition>,
    #[prost(message, optional, tag = "3")]
    margin: Option<Margin>,
    #[prost(bool, tag = "4")]
    are_shared: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Margin {
    #[prost(string, tag = "1")]
    folder: String,
    /// Two.
    #[prost(uint64, repeated, tag = "2")]
    position: Vec<u64>,
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
        write!(f, "RangedScanExec: {} in {ranges} ranges of its partitions", self.column)?;
        match &self.of {
            Rows::Around { margin: Some(margin) } => write!(f, ", margin {}", margin.folder),
            Rows::Around { margin: None } => Ok(()),
            Rows::OfPartition => f.write_str(", which share its tiles"),
        }
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
                let (column, coverages) = (self.column.clone(), self.coverages.clone());
                Ok(Arc::new(Self { scan, column, coverages, of: self.of.clone() }))
            }
            _ => internal_err!("RangedScanExec has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if self.files().is_none() && self.of == (Rows::Around { margin: None }) {
            // Other tasks run the scan, for this one only gathers: what it reads too much may come.
            return self.scan.execute(partition, context);
        }
        let scans = self.of_partition(partition)?;
        let columns = self.margin().map(|margin| margin.position);
        let pool = context.memory_pool();
        let mut first = columns.map(|columns| FirstFiles::new(columns, pool));
        let rows = stream::iter(scans.into_iter().enumerate())
            .map(move |(number, FileScan { scan, is_of_margin })| {
                let file = is_of_margin.then_some(number);
                let rows = scan.execute(0, Arc::clone(&context));
                rows.map(|rows| rows.map_ok(move |batch| (file, batch)))
            })
            .try_flatten()
            .map(move |batch| match (batch?, &mut first) {
                ((Some(file), batch), Some(first)) => first.rows(file, &batch),
                ((_, batch), _) => Ok(batch),
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
