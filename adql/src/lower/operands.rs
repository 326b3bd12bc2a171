//! The operands of UNION, beside `SqlToRel`.
//!
//! ```text
//! Union (a)                      Union (a)
//!   Projection: x AS a             Projection: x AS a
//!   Distinct: b            -->     Projection: b AS a
//!                                    Distinct: b
//! ```
//! The columns of a union have the names of its first operand, and `SqlToRel` gives them to those
//! that are projections. Where the optimizer finds all others empty, it puts the one that is left in
//! the place of the union, and looks for the names in it.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union};

/// The plan in which the columns of each operand of a union have its names.
pub(super) fn name(plan: LogicalPlan) -> Result<LogicalPlan> {
    let named = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Union(union) => named(union),
        other => Ok(Transformed::no(other)),
    });
    named.map(|named| named.data)
}

fn named(mut union: Union) -> Result<Transformed<LogicalPlan>> {
    let mut changed = false;
    for operand in &mut union.inputs {
        let names = union.schema.iter().map(|(_, field)| field.name());
        if names.eq(operand.schema().fields().iter().map(|field| field.name())) {
            continue;
        }
        let columns = operand.schema().columns().into_iter().zip(union.schema.iter());
        let columns = columns.map(|(column, (relation, field))| {
            Expr::Column(column).alias_qualified(relation.cloned(), field.name())
        });
        let projection = Projection::try_new(columns.collect(), Arc::clone(operand))?;
        *operand = Arc::new(LogicalPlan::Projection(projection));
        changed = true;
    }
    let union = LogicalPlan::Union(union);
    Ok(if changed { Transformed::yes(union) } else { Transformed::no(union) })
}
