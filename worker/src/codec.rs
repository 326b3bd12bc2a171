//! How plan nodes of ours travel to tasks: a letter for the kind, then what it is.

use std::sync::Arc;

use datafusion::common::{Result, exec_datafusion_err, internal_datafusion_err, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use prost::Message as _;

use crate::cross_match::{self, CrossMatchCodec, CrossMatchExec};
use crate::in_turn::InTurnExec;
use crate::local_join::LocalJoinExec;
use crate::ranged_scan::RangedScanExec;

const IN_TURN: u8 = b't';
const LOCAL_JOIN: u8 = b'l';
// What 'r' was has no margins: a worker that knows only that refuses a plan with this one.
const RANGED_SCAN: u8 = b'm';

/// Encodes and decodes the nodes of this crate; the same on every node.
#[derive(Debug)]
pub struct NodeCodec;

impl PhysicalExtensionCodec for NodeCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if buf.starts_with(cross_match::MARK) {
            return CrossMatchCodec.try_decode(buf, inputs, ctx, converter);
        }
        match (buf.split_first(), inputs) {
            (Some((&IN_TURN, rest)), [input]) => {
                let partitions = rest.try_into().map(u64::from_le_bytes);
                let partitions = partitions.ok().and_then(|count| usize::try_from(count).ok());
                let partitions = partitions.ok_or_else(|| malformed("InTurnExec"))?;
                Ok(Arc::new(InTurnExec::new(Arc::clone(input), partitions)))
            }
            (Some((&RANGED_SCAN, rest)), [scan]) => {
                let ranged = RangedScanExec::decoded(rest, Arc::clone(scan));
                Ok(Arc::new(ranged.ok_or_else(|| malformed("RangedScanExec"))?))
            }
            (Some((&LOCAL_JOIN, rest)), [_, _]) => {
                let join = PhysicalPlanNode::decode(rest);
                let join = join.map_err(|_| malformed("LocalJoinExec"))?;
                let context = PhysicalPlanDecodeContext::new(ctx, self);
                let join = converter.proto_to_execution_plan(&join, &context)?;
                replace_children_if_necessary(join, inputs.to_vec())
            }
            _ => Err(malformed("a node of this program")),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if node.is::<CrossMatchExec>() {
            return CrossMatchCodec.try_encode(node, buf, converter);
        }
        if let Some(in_turn) = node.downcast_ref::<InTurnExec>() {
            buf.push(IN_TURN);
            buf.extend(u64::try_from(in_turn.partitions()).unwrap_or(u64::MAX).to_le_bytes());
            return Ok(());
        }
        if let Some(ranged) = node.downcast_ref::<RangedScanExec>() {
            buf.push(RANGED_SCAN);
            buf.extend(ranged.encoded());
            return Ok(());
        }
        if let Some(local) = node.downcast_ref::<LocalJoinExec>() {
            // Its children travel beside it.
            let children = local.children().into_iter();
            let empty = children.map(|child| Arc::new(EmptyExec::new(child.schema())) as _);
            let empty: Vec<Arc<dyn ExecutionPlan>> = empty.collect();
            let join = local.join().builder().with_new_children(empty)?;
            let join = join.recompute_properties().build_exec()?;
            buf.push(LOCAL_JOIN);
            let join = converter.execution_plan_to_proto(&join, self)?;
            return join.encode(buf).map_err(|e| internal_datafusion_err!("{e}"));
        }
        internal_err!("{} is no node of this program", node.name())
    }
}

fn malformed(what: &str) -> datafusion::error::DataFusionError {
    exec_datafusion_err!("{what} in a plan cannot be read: is its sender of another version?")
}
