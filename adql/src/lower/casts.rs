//! Names for casts, beside `SqlToRel`.
//!
//! DataFusion names a cast as what is cast, and takes two expressions of an aggregate that have one
//! name for a mistake: `AVG(x)` and `AVG(CAST(x AS REAL))`. While names are given, each cast is the
//! argument of a call that has its type in its name; then the call is taken away, and the columns of
//! aggregates keep their names as aliases.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::sql::sqlparser::ast;

use crate::parser::tree;
use crate::rewrite::any_expression;

/// Name of the call, which only the planner of a query meets.
const NAME: &str = "cast";

static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::from(NamedCast { signature }))
});

/// Puts a cast into a call that is named by its type; hands back the cast.
pub(super) fn name(cast: &mut ast::Expr) -> Option<&mut ast::Expr> {
    let inner = std::mem::replace(cast, tree::null());
    *cast = tree::call(NAME, vec![inner]);
    match cast {
        ast::Expr::Function(call) => tree::arguments_mut(call).pop(),
        _ => None,
    }
}

/// The function of the calls, by its name.
pub(super) fn function(name: &str) -> Option<Arc<ScalarUDF>> {
    (name == NAME).then(|| Arc::clone(&FUNCTION))
}

/// The plan without the calls, whose columns are named as before.
pub(super) fn without_calls(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_named = |call: &ScalarFunction| call.func.name() == NAME;
    if !any_expression(&plan, |e| matches!(e, Expr::ScalarFunction(call) if is_named(call)))? {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|node| {
        // Terms of ORDER BY name no column.
        let names = (!matches!(node, LogicalPlan::Sort(_))).then(|| NamePreserver::new(&node));
        node.map_expressions(|expr| {
            let name = names.as_ref().map(|names| names.save(&expr));
            let plain = expr.transform_up(|expr| {
                Ok(match expr {
                    Expr::ScalarFunction(mut call) if is_named(&call) => {
                        call.args.pop().map_or_else(
                            || Transformed::no(Expr::ScalarFunction(call)),
                            Transformed::yes,
                        )
                    }
                    other => Transformed::no(other),
                })
            })?;
            Ok(match name {
                Some(name) if plain.transformed => plain.update_data(|expr| name.restore(expr)),
                _ => plain,
            })
        })
    });
    plan.map(|plan| plan.data)
}

/// The function of the calls.
#[derive(Debug, PartialEq, Eq, Hash)]
struct NamedCast {
    signature: Signature,
}

impl ScalarUDFImpl for NamedCast {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        match arguments {
            [Expr::Cast(cast)] => {
                Ok(format!("CAST({} AS {})", cast.expr.schema_name(), cast.field.data_type()))
            }
            _ => internal_err!("{NAME} takes a cast"),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{NAME} is taken away before a plan is executed")
    }
}
