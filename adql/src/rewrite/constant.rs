//! Values of expressions that name no column.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{ColumnarValue, Expr, Volatility};
use datafusion::physical_expr::create_physical_expr;

/// The value of an expression; none where it differs from row to row or query to query.
///
/// An error in it (a radius out of range) is the query's, whether or not a row is ever read.
pub(super) fn constant(expr: &Expr) -> Result<Option<ScalarValue>> {
    if let Expr::Literal(value, _) = expr {
        return Ok(Some(value.clone()));
    }
    if !is_constant(expr)? {
        return Ok(None);
    }
    let physical = create_physical_expr(
        expr,
        &DFSchema::empty(),
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )?;
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &one_row)?;
    Ok(Some(match physical.evaluate(&row)? {
        ColumnarValue::Scalar(value) => value,
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0)?,
    }))
}

/// The number that an expression stands for; none for NULL and NaN too.
pub(super) fn number(expr: &Expr) -> Result<Option<f64>> {
    let Some(value) = constant(expr)? else { return Ok(None) };
    if !value.data_type().is_numeric() {
        return Ok(None);
    }
    Ok(match value.cast_to(&DataType::Float64)? {
        ScalarValue::Float64(number) => number.filter(|number| !number.is_nan()),
        _ => None,
    })
}

/// Operators, casts and immutable functions of literals, and nothing else.
fn is_constant(expr: &Expr) -> Result<bool> {
    let mut constant = true;
    expr.apply(|node| {
        constant = match node {
            Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::BinaryExpr(_)
            | Expr::Negative(_)
            | Expr::Cast(_)
            | Expr::TryCast(_) => true,
            Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
            _ => false,
        };
        Ok(if constant { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(constant)
}
