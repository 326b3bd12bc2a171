//! What `SqlToRel` may ask for: the tables of one query, and the functions of every session.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue, TableReference, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::planner::AggregateFunctionPlanner;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, PlannerResult, RawBinaryExpr,
};
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, Expr, ExprSchemable, HigherOrderUDF, Operator, ScalarUDF,
    TableSource, WindowUDF, lit,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::{arithmetic, casts};
use crate::function::{aggregate_functions, scalar_functions};
use crate::rewrite::nan_guard::guard;

/// Scalar functions by name: ours and the built-in ones.
static SCALARS: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let builtin = datafusion::functions::all_default_functions();
    let ours = scalar_functions();
    builtin.into_iter().chain(ours).map(|udf| (udf.name().to_owned(), udf)).collect()
});

/// Aggregates by name.
static AGGREGATES: LazyLock<HashMap<String, Arc<AggregateUDF>>> = LazyLock::new(|| {
    let all = datafusion::functions_aggregate::all_default_aggregate_functions();
    let all = all.into_iter().chain(aggregate_functions());
    all.map(|udaf| (udaf.name().to_owned(), udaf)).collect()
});

static OPTIONS: LazyLock<ConfigOptions> = LazyLock::new(ConfigOptions::new);

static PLANNERS: LazyLock<Vec<Arc<dyn ExprPlanner>>> =
    LazyLock::new(|| vec![Arc::new(AdqlOperators), Arc::new(AggregateFunctionPlanner)]);

/// The options of planning: DataFusion's defaults.
pub(crate) fn options() -> &'static ConfigOptions {
    &OPTIONS
}

/// The tables of a query, by exact name.
#[derive(Default)]
pub(super) struct Context {
    pub(super) tables: HashMap<TableReference, Arc<dyn TableSource>>,
}

impl ContextProvider for Context {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        match self.tables.get(&name) {
            Some(source) => Ok(Arc::clone(source)),
            None => plan_err!("table {name} is not among those that the query names"),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &PLANNERS
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        SCALARS.get(name).cloned().or_else(|| casts::function(name))
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        AGGREGATES.get(name).cloned()
    }

    fn get_window_meta(&self, _name: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &OPTIONS
    }

    fn udf_names(&self) -> Vec<String> {
        vec![]
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }

    fn udaf_names(&self) -> Vec<String> {
        vec![]
    }

    fn udwf_names(&self) -> Vec<String> {
        vec![]
    }
}

/// Operators whose meaning in ADQL depends on types, which are first known here:
///
/// - integers make integers that fit (`arithmetic`);
/// - a division of floats is NULL where it is NaN (0/0), as a NaN in a column is;
/// - a boolean column compares with 1 and 0 as with TRUE and FALSE.
#[derive(Debug)]
struct AdqlOperators;

impl ExprPlanner for AdqlOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let expr = match arithmetic::of_integers(expr, schema)? {
            PlannerResult::Original(expr) => expr,
            planned @ PlannerResult::Planned(_) => return Ok(planned),
        };
        match expr.op {
            BinaryOperator::Divide if !is_safe_divisor(&expr.right) => {
                let RawBinaryExpr { op, left, right } = expr;
                let quotient = Expr::BinaryExpr(BinaryExpr {
                    left: Box::new(left),
                    op: Operator::Divide,
                    right: Box::new(right),
                });
                match (quotient.get_type(schema), quotient) {
                    (Ok(data_type), quotient) if data_type.is_floating() => {
                        Ok(PlannerResult::Planned(guard(quotient)))
                    }
                    (_, Expr::BinaryExpr(BinaryExpr { left, right, .. })) => {
                        Ok(PlannerResult::Original(RawBinaryExpr {
                            op,
                            left: *left,
                            right: *right,
                        }))
                    }
                    (_, planned) => Ok(PlannerResult::Planned(planned)),
                }
            }
            BinaryOperator::Eq | BinaryOperator::NotEq => {
                let RawBinaryExpr { op, left, right } = expr;
                let is_boolean = |e: &Expr| matches!(e.get_type(schema), Ok(DataType::Boolean));
                let (left, right) = match (truth(&left), truth(&right)) {
                    (None, Some(value)) if is_boolean(&left) => (left, lit(value)),
                    (Some(value), None) if is_boolean(&right) => (lit(value), right),
                    _ => (left, right),
                };
                Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
            }
            _ => Ok(PlannerResult::Original(expr)),
        }
    }
}

/// Whether a divisor is a number other than 0.
fn is_safe_divisor(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(n)), _) => *n != 0,
        Expr::Literal(ScalarValue::Float64(Some(x)), _) => x.is_finite() && *x != 0.0,
        _ => false,
    }
}

/// The truth value that a literal 1 or 0 is compared with.
fn truth(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(0)), _) => Some(false),
        Expr::Literal(ScalarValue::Int64(Some(1)), _) => Some(true),
        _ => None,
    }
}
