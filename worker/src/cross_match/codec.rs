//! The operator on its way to workers: as the nested-loop join that it evaluates, without its
//! children, which travel as those of any node.

use std::sync::Arc;

use datafusion::common::{Result, exec_err, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_proto_converter, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::{
    DefaultPhysicalExtensionCodec, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};

use super::operator::CrossMatchExec;

/// What the bytes of the operator begin with.
pub(crate) const MARK: &[u8] = b"cross_match 1\n";

/// Writes and reads [`CrossMatchExec`], and no other node.
#[derive(Debug)]
pub(crate) struct CrossMatchCodec;

impl PhysicalExtensionCodec for CrossMatchCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(operator) = node.downcast_ref::<CrossMatchExec>() else {
            return internal_err!("{} is no CrossMatchExec", node.name());
        };
        let join = operator.join();
        let empty = |side: &Arc<dyn ExecutionPlan>| Arc::new(EmptyExec::new(side.schema())) as _;
        let (left, right): (Arc<dyn ExecutionPlan>, _) = (empty(join.left()), empty(join.right()));
        let projection = join.projection().as_ref().map(|projection| projection.to_vec());
        let (filter, kind) = (join.filter().cloned(), join.join_type());
        let alone = NestedLoopJoinExec::try_new(left, right, filter, kind, projection)?;
        let codec = DefaultPhysicalExtensionCodec {};
        let bytes =
            physical_plan_to_bytes_with_proto_converter(Arc::new(alone), &codec, converter)?;
        buffer.extend_from_slice(MARK);
        buffer.extend_from_slice(&bytes);
        Ok(())
    }

    fn try_decode(
        &self,
        bytes: &[u8],
        children: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(bytes) = bytes.strip_prefix(MARK) else {
            return exec_err!("these bytes are no CrossMatchExec of this release");
        };
        let codec = DefaultPhysicalExtensionCodec {};
        let alone =
            physical_plan_from_bytes_with_proto_converter(bytes, context, &codec, converter)?;
        let (Some(join), [left, right]) = (alone.downcast_ref::<NestedLoopJoinExec>(), children)
        else {
            return exec_err!("a CrossMatchExec is a nested-loop join of two children");
        };
        let projection = join.projection().as_ref().map(|projection| projection.to_vec());
        let (left, right) = (Arc::clone(left), Arc::clone(right));
        let (filter, kind) = (join.filter().cloned(), join.join_type());
        let join = NestedLoopJoinExec::try_new(left, right, filter, kind, projection)?;
        Ok(Arc::new(CrossMatchExec::try_new(join)?))
    }
}
