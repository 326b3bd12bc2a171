//! The join of rows with their nearest ones, as DataFusion's optimizer sees it: a node of which it
//! knows no more than which columns it needs.
//!
//! What it may know is brought in by [`NearestFilter`] (a condition on the side that is not ranked
//! may be tested below) and [`restricted`] (a region of that side is a wider one of the other).
//! [`joined`] makes it a join at the end, for which there is an operator.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchemaRef, DataFusionError, NullEquality, Result, internal_err};
use datafusion::logical_expr::builder::build_join_schema;
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, Extension, Filter, Join, JoinConstraint, JoinType, LogicalPlan,
    UserDefinedLogicalNodeCore,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::refuse;

/// Rows of the left side with the nearest of the right side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::rewrite) struct Nearest {
    left: Arc<LogicalPlan>,
    right: Arc<LogicalPlan>,
    /// How near they have to be, and which rank they have to have.
    conditions: [Expr; 2],
    join_type: JoinType,
    schema: DFSchemaRef,
}

impl Nearest {
    pub(super) fn try_new(
        left: Arc<LogicalPlan>,
        right: Arc<LogicalPlan>,
        conditions: [Expr; 2],
        join_type: JoinType,
    ) -> Result<Self> {
        let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &join_type)?);
        Ok(Self { left, right, conditions, join_type, schema })
    }

    /// The node, where a plan is one.
    pub(in crate::rewrite) fn of(plan: &LogicalPlan) -> Option<&Self> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The join that it is.
    pub(in crate::rewrite) fn join(&self) -> Result<Join> {
        Join::try_new(
            Arc::clone(&self.left),
            Arc::clone(&self.right),
            Vec::new(),
            conjunction(self.conditions.clone()),
            self.join_type,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )
    }

    fn plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }
}

/// The node over the sides of a join that was made of it, which are restricted further.
pub(in crate::rewrite) fn restricted(node: &Nearest, join: Join) -> LogicalPlan {
    Nearest { left: join.left, right: join.right, ..node.clone() }.plan()
}

impl PartialOrd for Nearest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let parts = |node: &Self| {
            (
                Arc::clone(&node.left),
                Arc::clone(&node.right),
                node.conditions.clone(),
                node.join_type,
            )
        };
        parts(self).partial_cmp(&parts(other)).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for Nearest {
    fn name(&self) -> &'static str {
        "Nearest"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.conditions.to_vec()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [near, rank] = &self.conditions;
        write!(f, "Nearest: {} join, {near}, {rank}", self.join_type)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Ok(conditions), Ok([left, right])) =
            (<[Expr; 2]>::try_from(exprs), <[LogicalPlan; 2]>::try_from(inputs))
        else {
            return internal_err!("Nearest has two conditions and two inputs");
        };
        // The optimizer brings a condition without columns below, to either side.
        if has_chance(&left) && has_chance(&right) {
            return refuse_chance();
        }
        Self::try_new(Arc::new(left), Arc::new(right), conditions, self.join_type)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let of_left = self.left.schema().fields().len();
        let (left, right): (Vec<usize>, Vec<usize>) =
            output_columns.iter().partition(|column| **column < of_left);
        Some(vec![left, right.into_iter().map(|column| column - of_left).collect()])
    }
}

/// Whether a condition is one that each row meets by chance.
fn is_of_chance(conjunct: &Expr) -> bool {
    conjunct.is_volatile() && conjunct.column_refs().is_empty()
}

/// Whether such a condition is at the top of a plan.
fn has_chance(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => {
            split_conjunction(&filter.predicate).into_iter().any(is_of_chance)
        }
        _ => false,
    }
}

/// It would be tested for each row of either side, and so more than once for each that comes out.
fn refuse_chance<T>() -> Result<T> {
    refuse(
        "a condition on RAND() around it has to name a column: write RAND() + 0 * q.id < 0.5, where \
         id is a column of the query",
    )
}

/// Brings conditions on the rows that are not ranked below the join with the nearest.
#[derive(Debug)]
pub(in crate::rewrite) struct NearestFilter;

impl OptimizerRule for NearestFilter {
    fn name(&self) -> &'static str {
        "nearest_filter"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else { return Ok(Transformed::no(plan)) };
        let Some(node) = Nearest::of(&filter.input) else { return Ok(Transformed::no(plan)) };
        let (mut below, mut above) = (Vec::new(), Vec::new());
        for conjunct in split_conjunction_owned(filter.predicate.clone()) {
            let columns = conjunct.column_refs();
            if is_of_chance(&conjunct) {
                return refuse_chance();
            }
            let is_of_left = !conjunct.is_volatile()
                && !conjunct.contains_outer()
                && columns.iter().all(|column| node.left.schema().has_column(column));
            if is_of_left { below.push(conjunct) } else { above.push(conjunct) }
        }
        let Some(below) = conjunction(below) else { return Ok(Transformed::no(plan)) };
        let left = Filter::try_new(below, Arc::clone(&node.left))?;
        let node = Nearest { left: Arc::new(LogicalPlan::Filter(left)), ..node.clone() }.plan();
        let plan = match conjunction(above) {
            Some(above) => LogicalPlan::Filter(Filter::try_new(above, Arc::new(node))?),
            None => node,
        };
        Ok(Transformed::yes(plan))
    }
}

/// The optimized plan with joins in place of these nodes.
///
/// # Errors
/// When a side has no columns of its conditions.
pub fn joined(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let joined = plan.transform_up_with_subqueries(|node| {
        Ok(match Nearest::of(&node) {
            Some(nearest) => Transformed::yes(LogicalPlan::Join(nearest.join()?)),
            None => Transformed::no(node),
        })
    })?;
    Ok(joined.data)
}
