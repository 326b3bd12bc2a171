//! `EXCEPT ALL` and `INTERSECT ALL`, which count rows.
//!
//! ```text
//! LeftAnti Join: left, right      Projection: left's columns
//!                                   Filter: side = 1 AND balance > 0
//!                          -->        Window: sum(side) of equal rows, right's first: balance
//!                                       Union
//!                                         Projection: left's columns, 1 AS side
//!                                         Projection: right's columns, -1 AS side
//! ```
//! `SqlToRel` makes a join, which knows only whether a row is on the other side. Of a row that is m
//! times left and n times right, the running sum is 1 - n to m - n at those of the left: it is above
//! 0 at max(0, m - n) of them, and not at min(m, n). The union gives both sides the same types. A
//! sum that runs is held in little memory, and its sort can spill.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{JoinType, NullEquality, Result};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder, WindowFrame, col, ident, lit,
};

use crate::Error;

/// The column that is 1 for rows of the left side and -1 for those of the right.
const SIDE: &str = "__side";

/// Its running sum.
const BALANCE: &str = "__balance";

/// The most of them in a query. DataFusion walks plans by recursion, and each is some eight levels.
const MOST: usize = 16;

/// The plan in which set operations with ALL count rows.
pub(super) fn count(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut operations = 0;
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if is_of_sets(&join) => {
            operations += 1;
            if operations > MOST { too_many() } else { counted(join).map(Transformed::yes) }
        }
        other => Ok(Transformed::no(other)),
    });
    plan.map(|plan| plan.data)
}

/// Whether a join is what `SqlToRel` makes of EXCEPT ALL and INTERSECT ALL: no join of ADQL is one of
/// this kind. Without ALL, its left side is distinct, so that there is nothing to count.
fn is_of_sets(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && !matches!(*join.left, LogicalPlan::Distinct(_))
}

fn too_many<T>() -> Result<T> {
    Err(DataFusionError::External(Box::new(Error::NotEvaluable {
        construct: format!("more than {MOST} of EXCEPT ALL and INTERSECT ALL"),
        reason: "each makes the plan deeper; join what is taken away by UNION ALL".to_owned(),
        place: None,
    })))
}

fn counted(join: Join) -> Result<LogicalPlan> {
    let Join { left, right, join_type, .. } = join;
    let outputs = left.schema().columns();
    let is_float = |at: usize| {
        [&left, &right].iter().any(|side| side.schema().field(at).data_type().is_floating())
    };
    let name = |at: usize| format!("__column_{at}");
    // Zeros are equal, but a sort tells -0 from 0.
    let key = |at: usize| if is_float(at) { ident(name(at)) + lit(0.0) } else { ident(name(at)) };
    let keys = (0..outputs.len()).map(key).collect::<Vec<_>>();
    let side = |plan: &LogicalPlan, sign: i64| {
        let columns = plan.schema().columns().into_iter().enumerate();
        let columns = columns.map(|(at, column)| Expr::Column(column).alias(name(at)));
        let sign = lit(sign).alias(SIDE);
        LogicalPlanBuilder::from(plan.clone()).project(columns.chain([sign]).collect::<Vec<_>>())
    };
    let balance = Expr::from(WindowFunction::new(sum_udaf(), vec![col(SIDE)]))
        .partition_by(keys)
        .order_by(vec![col(SIDE).sort(true, false)])
        .window_frame(WindowFrame::new(Some(true)))
        .build()?
        .alias(BALANCE);
    let is_kept = match join_type {
        JoinType::LeftAnti => col(BALANCE).gt(lit(0_i64)),
        _ => col(BALANCE).lt_eq(lit(0_i64)),
    };
    let outputs = outputs.into_iter().enumerate().map(|(at, column)| {
        let (relation, output) = (column.relation, column.name);
        ident(name(at)).alias_qualified(relation, output)
    });
    side(&left, 1)?
        .union(side(&right, -1)?.build()?)?
        .window([balance])?
        .filter(col(SIDE).eq(lit(1_i64)).and(is_kept))?
        .project(outputs.collect::<Vec<_>>())?
        .build()
}
