//! What a plan from the network may be: it reads tiles as Parquet, rows that it brings with it or
//! what other tasks send, and writes nothing. Everything else is refused before it runs.
//!
//! Leaves are a whitelist. Inner nodes only work on the rows of their children; the one kind that
//! DataFusion decodes and that has an effect outside is [`DataSinkExec`], which is refused.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileScanConfig, ParquetSource};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;

/// Refuses a plan that writes, or reads anything but tiles. `is_network` says of a leaf that it
/// receives the rows of another task.
pub(crate) fn admit(
    plan: &Arc<dyn ExecutionPlan>,
    is_network: fn(&dyn ExecutionPlan) -> bool,
) -> Result<()> {
    plan.apply(|node| {
        if node.is::<DataSinkExec>() {
            return Err(exec_datafusion_err!("a worker executes no plan that writes"));
        }
        if let Some(scan) = node.downcast_ref::<DataSourceExec>() {
            admit_scan(scan)?;
        } else if node.children().is_empty() && !is_harmless_leaf(&**node, is_network) {
            let name = node.name();
            return Err(exec_datafusion_err!("a worker reads tiles only, and no {name}"));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn is_harmless_leaf(node: &dyn ExecutionPlan, is_network: fn(&dyn ExecutionPlan) -> bool) -> bool {
    node.is::<EmptyExec>() || node.is::<PlaceholderRowExec>() || is_network(node)
}

fn admit_scan(scan: &DataSourceExec) -> Result<()> {
    let source = scan.data_source();
    if source.downcast_ref::<MemorySourceConfig>().is_some() {
        return Ok(());
    }
    let Some(files) = source.downcast_ref::<FileScanConfig>() else {
        return Err(exec_datafusion_err!("a worker reads tiles only, not {scan:?}"));
    };
    let store = files.object_store_url.as_str();
    if store != catalog::TILE_STORE {
        return Err(exec_datafusion_err!("a worker reads tiles only, not {store}"));
    }
    let format = files.file_source();
    if format.downcast_ref::<ParquetSource>().is_none() {
        let format = format.file_type();
        return Err(exec_datafusion_err!("a worker reads tiles as parquet, not as {format}"));
    }
    Ok(())
}
