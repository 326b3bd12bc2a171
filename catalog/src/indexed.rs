//! Footers that are decoded once, with their page index.
//!
//! DataFusion asks for a footer alone and keeps it, and each scan that can use the page index then
//! decodes that of all columns anew: milliseconds for 24 columns, and many more for a thousand.
//! Where both are asked for at once, both are kept.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use object_store::ObjectStore;

/// Makes readers whose footers are kept with their page index.
#[derive(Debug)]
pub(crate) struct IndexedReaders(CachedParquetFileReaderFactory);

impl IndexedReaders {
    /// Readers of the files of a store, with the footers that a node keeps.
    pub(crate) fn new(runtime: &RuntimeEnv, store: Arc<dyn ObjectStore>) -> Self {
        let kept = runtime.cache_manager.get_file_metadata_cache();
        Self(CachedParquetFileReaderFactory::new(store, kept))
    }
}

impl ParquetFileReaderFactory for IndexedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let reader = self.0.create_reader(partition, file, size_hint, metrics)?;
        Ok(Box::new(IndexedReader(reader)))
    }
}

struct IndexedReader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for IndexedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let options = options.cloned().unwrap_or_default();
        let options = options.with_page_index_policy(PageIndexPolicy::Optional);
        Box::pin(async move { self.0.get_metadata(Some(&options)).await })
    }
}

/// A plan from another node, whose scans keep page indexes on this one. Parts for which
/// `is_elsewhere` holds run in other tasks.
///
/// # Errors
/// When the store of a scan is not known here.
pub fn with_kept_indexes(
    plan: Arc<dyn ExecutionPlan>,
    runtime: &RuntimeEnv,
    is_elsewhere: fn(&dyn ExecutionPlan) -> bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let replaced = plan.transform_down(|node| {
        if is_elsewhere(node.as_ref()) {
            return Ok(Transformed::new(node, false, TreeNodeRecursion::Jump));
        }
        let source = node.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
        let Some(scan) = source.and_then(|source| source.downcast_ref::<FileScanConfig>()) else {
            return Ok(Transformed::no(node));
        };
        let Some(parquet) = scan.file_source().downcast_ref::<ParquetSource>() else {
            return Ok(Transformed::no(node));
        };
        let readers = IndexedReaders::new(runtime, runtime.object_store(&scan.object_store_url)?);
        let parquet = parquet.clone().with_parquet_file_reader_factory(Arc::new(readers));
        let scan = FileScanConfigBuilder::from(scan.clone()).with_source(Arc::new(parquet)).build();
        let leaf: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(scan);
        Ok(Transformed::yes(leaf))
    })?;
    Ok(replaced.data)
}
